"""What is not documented fails: commands, metrics, keys, make targets, links; and what is made must be current."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from bridge import actions
from bridge.actions.base import Action
from bridge.policy.config import Settings
from bridge.policy.loading import check_policy
from exporters.config import _File as ExporterFile
from exporters.config import config_of
from remedy.cli import cli
from remedy.config import kinds
from remedy.config.yamlfile import parse_yaml
from remedy.reference import made as reference
from remedy.reference import pages
from tests.monitoring.exported import exported

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "monitoring").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
MADE = sorted(
    str(f.relative_to(ROOT / "docs")) for kind in ("reference", "schemas") for f in (ROOT / "docs" / kind).iterdir()
)
COMMANDS = cli.list_commands(click.Context(cli))
MAKE_TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


@cache
def made() -> dict[str, str]:
    return reference.made()


def everything() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_with_an_example(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    above = click.Context(cli, info_name="remedy", **cli.context_settings)
    said = " ".join(command.get_help(click.Context(command, above, info_name=name)).split())
    assert f"Example: remedy {name}" in said
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help and not p.show_default]
    assert not silent, "an option says what it does, or shows its default"


def test_every_command_that_is_written_about_exists() -> None:
    written = set(re.findall(r"`remedy ([a-z][a-z-]+)|^\s*(?:\$ )?remedy ([a-z][a-z-]+)", everything(), re.MULTILINE))
    assert {one or other for one, other in written} - set(COMMANDS) == set()


def test_make_targets_and_readme_agree() -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert named == {*MAKE_TARGETS}
    assert set(re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)) <= named


def test_the_first_screen_says_what_it_is_and_the_two_commands() -> None:
    first = "\n".join(README.splitlines()[:40])
    for wanted in ("Prometheus", "It is for those who", "make run", "make test", "This is what you see"):
        assert wanted in first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in set(anchors(file)), target


def anchors(page: Path) -> Iterator[str]:
    """Yield the anchors that GitHub makes of a page's headings."""
    for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_metric_is_documented_with_its_labels(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)(?:\{([a-z,]*)\})?` \| (\w+)", page, re.MULTILINE)
    documented = {name: set(filter(None, labels.split(","))) for name, labels, kind in rows}
    series = exported(tmp_path)
    made_here = {
        name.removesuffix("_bucket"): set(labels) - {"instance", "job", "le"}
        for name, labels in series.items()
        if name != "up" and not name.endswith(("_created", "_sum", "_count"))
    }
    counted = [kinds.load(actions, name, Action, "action").counts for name in kinds.names(actions)]
    assert documented == made_here | {name: {"result"} for name in counted if name}


@pytest.mark.parametrize("page", ["reference/remediation.md", "reference/exporter.md"])
def test_every_key_is_explained(page: str) -> None:
    silent = re.findall(r"^\| `(\w+)` \|.*\|  \|$", made()[page], re.MULTILINE)
    assert not silent, "say it in a docstring below the field"


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_from_the_code_is_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made()[name], "run: python -m remedy.reference docs"


def test_the_help_of_a_command_that_was_run_alone_is_what_remedy_says() -> None:
    """click keeps the help option with which a command was run first, as tests of one command do."""
    group = click.Group("remedy", context_settings=cli.context_settings)
    command = click.Command("alone", params=[click.Option(["--json"], is_flag=True, help="For machines.")])
    group.add_command(command)
    assert "\n  --help  Show" in CliRunner().invoke(command, ["--help"]).output
    page = pages.of_commands(group)
    assert "\n  --json      For machines.\n  -h, --help  Show this message and exit.\n" in page
    assert pages.of_commands(group) == page


def test_nothing_else_lies_among_what_is_made() -> None:
    assert set(made()) == set(MADE)


def yaml_blocks(page: Path) -> Iterator[str]:
    yield from re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


WRITTEN = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in (ROOT / "README.md", ROOT / "docs" / "configuration.md")
    for number, text in enumerate(yaml_blocks(page))
]


@pytest.mark.parametrize("text", WRITTEN)
def test_every_configuration_that_is_written_about_is_accepted(text: str, tmp_path: Path) -> None:
    for path in ("/usr/local/bin/migrate", "/etc/remedy/ops.urls"):
        there = tmp_path / Path(path).name
        there.write_text("#!/bin/true\njson://127.0.0.1/\n")
        there.chmod(0o700)
        text = text.replace(path, str(there))
    document = parse_yaml(text, "page.yml")
    if "remediations" in document.data:
        assert check_policy(document).remediations
    else:
        assert config_of(document).checks


def test_the_schemas_know_what_the_loaders_know() -> None:
    schemas = {name: json.loads((ROOT / "docs" / "schemas" / f"{name}.schema.json").read_text()) for name in
               ("remediation", "exporter")}  # fmt: skip
    assert set(schemas["remediation"]["properties"]) == set(Settings.model_fields)
    assert set(schemas["exporter"]["properties"]) == set(ExporterFile.model_fields)
    defined = schemas["remediation"]["$defs"]
    used = set(re.findall(r"#/\$defs/([A-Za-z0-9_]+)", json.dumps(schemas["remediation"])))
    assert used <= set(defined)
    steps = defined["RemediationKeys"]["properties"]["steps"]["items"]["properties"]
    assert steps.keys() >= {"command", "service_restart"}


def test_ci_runs_what_readme_says_on_the_oldest_and_the_newest_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["ci"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_the_hooks_before_a_commit_fetch_nothing() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in repos[0]["hooks"])
