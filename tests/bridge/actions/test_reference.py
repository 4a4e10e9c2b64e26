"""Every action's page says what a person must know before using it; `remedy actions` prints it."""

import json

import pytest
from click.testing import CliRunner

from bridge import actions
from bridge.actions.base import Action
from remedy.commands.actions import command, models_in, page
from remedy.config import kinds
from remedy.reference.fields import about_fields

KINDS = kinds.names(actions)


@pytest.mark.parametrize("name", KINDS)
def test_a_page_is_complete(name: str) -> None:
    kind = kinds.load(actions, name, Action, "action")
    text = page(name, kind)
    for word in ("**Changes**", "**Needs**", "**Idempotent**", "**Backed up**", "## Example"):
        assert word in text
    models = [kind, *(inner for info in kind.model_fields.values() for inner in models_in(info.annotation))]
    assert [
        f"{model.__name__}.{key}" for model in models for key, about in about_fields(model).items() if not about
    ] == []


def test_the_list_names_every_action() -> None:
    listed = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert list(listed) == KINDS


def test_one_page() -> None:
    assert CliRunner().invoke(command, ["wait"]).output.startswith("# wait\n\nWait before")


def test_an_unknown_name_is_one_line() -> None:
    result = CliRunner().invoke(command, ["wiat"])
    assert (result.exit_code, result.output) == (2, "Error: unknown action 'wiat' (did you mean 'wait'?)\n")
