"""The steps of a remediation as they stand in the file → `Step`: each one action, with fields that it takes."""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bridge import actions
from bridge.actions.base import Action, Allow
from bridge.policy import templates
from bridge.policy.remediation import Step
from remedy.config import kinds
from remedy.config.extras import MissingExtra
from remedy.config.problems import EMPTY, KeyPath, Problem, did_you_mean
from remedy.config.yamlfile import Document

_ANYTHING: tuple[Any, ...] = (10, "1s", "x", "/x", ["x"], ["/x"], {})
"""One of these is of the kind that a field takes."""
_ANOTHER = "another"
"""What labels might fill in, beside the template's own text: what is refused for both does not depend on labels."""


@dataclass
class StepCheck:
    """Checks steps and collects what is wrong with them in `found`."""

    document: Document
    allow: Allow | None
    """None: it is wrong itself, so nothing can be said of what it allows."""
    found: list[Problem]
    notifiers: Collection[str] = ()
    """Names that steps may tell something."""

    def step(self, entry: dict[str, Any], path: KeyPath) -> Step | None:
        """Return the step of an entry, if anything can be made of it."""
        if len(entry) != 1:
            keys = ", ".join(map(str, entry)) or "none"
            message = f"a step is one action with its fields, such as command: {{argv: […]}} (here: {keys})"
            self.found.append(self.document.problem(path, message))
            return None
        (name, fields), *_ = entry.items()
        try:
            kind = kinds.load(actions, str(name), Action, "action")
        except (ValueError, MissingExtra) as wrong:
            self.found.append(self.document.problem(path, str(wrong)))
            return None
        fields = {} if fields is None else fields
        if not isinstance(fields, dict):
            self.found.append(self.document.problem((*path, name), f"expected the fields of {name}, got {fields!r}"))
            return None
        self._fields(kind, fields, (*path, str(name)))
        return Step(str(name), kind, fields)

    def _fields(self, kind: type[Action], fields: dict[str, Any], path: KeyPath) -> None:
        """Check a step's fields; what labels will fill is checked by the same model when they have."""
        filled_later = list(_template_paths(fields))
        for at in filled_later:
            try:
                templates.check_field(_value_at(fields, at))
            except ValueError as wrong:
                self.found.append(self.document.problem(path + at, str(wrong)))
        try:
            self._tells(kind.model_validate(fields), path)
        except ValidationError as invalid:
            problems = self.document.problems(invalid, kind, path)
            self.found += [problem for problem in problems if not self._later(problem, path, filled_later)]
            amiss = {str(error["loc"][0]) for error in invalid.errors() if error["loc"]}
            fields = _right_part(kind, fields, amiss)
        else:
            amiss = set()
        for name, why in _refused_whatever_labels_say(kind, fields, self.allow):
            if name.partition(".")[0] not in amiss:
                self.found.append(self.document.problem((*path, *name.split(".")), why))

    def _tells(self, action: Action, path: KeyPath) -> None:
        for name in action.notifiers():
            if name not in self.notifiers:
                hint = did_you_mean(name, self.notifiers) or " (notifiers: is empty)"
                self.found.append(self.document.problem((*path, "to"), f"unknown notifier '{name}'{hint}"))

    def _later(self, problem: Problem, path: KeyPath, filled_later: list[KeyPath]) -> bool:
        """Tell whether labels may put it right: it is where they fill something, or in a list of nothing but that."""
        places = filled_later + [at[:-1] for at in filled_later if problem.message == EMPTY]
        return any(self.document.problem(path + at, problem.message) == problem for at in places)


def _right_part(kind: type[Action], fields: dict[str, Any], wrong: set[str]) -> dict[str, Any]:
    """Return the fields that are right, with something that will do where one that must be there is wrong."""
    right = {name: value for name, value in fields.items() if name not in wrong}
    missing = [name for name in wrong if name in kind.model_fields and kind.model_fields[name].is_required()]
    for anything in _ANYTHING:
        filled = {**right, **dict.fromkeys(missing, anything)}
        with contextlib.suppress(ValidationError):
            kind.model_validate(filled)
            return filled
    return right


def _refused_whatever_labels_say(
    kind: type[Action], fields: dict[str, Any], allow: Allow | None
) -> Iterator[tuple[str, str]]:
    if allow is None:
        return
    try:
        others = list(kind.model_validate(_with_another_label(fields)).refusals(allow))
        own = list(kind.model_validate(fields).refusals(allow))
    except ValidationError:
        return
    yield from (refusal for refusal in own if refusal in others)


def _with_another_label(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_another_label(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_another_label(inner) for inner in value]
    return _ANOTHER if templates.is_template(value) else value


def _template_paths(value: Any, at: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _template_paths(inner, (*at, str(key)))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _template_paths(inner, (*at, i))
    elif templates.is_template(value):
        yield at


def _value_at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value
