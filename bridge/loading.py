"""remediation.yml → `Policy`: refused whole, with everything that is wrong with it at once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bridge import actions, notifiers, templates, verify
from bridge.actions.base import Action
from bridge.config import Defaults, RemediationKeys, Settings, stricter
from bridge.matchers import Matcher, parse_matcher
from bridge.notifiers.base import Notifier
from bridge.policy import DEFAULT_HOST, Policy, Remediation, Step
from bridge.verify.base import Verification
from remedy.config import kinds
from remedy.config.extras import MissingExtra
from remedy.config.permissions import writable
from remedy.config.problems import ConfigError, KeyPath, Problem, did_you_mean
from remedy.config.yamlfile import Document, read_yaml

Kind = TypeVar("Kind", bound=BaseModel)


def load_policy(file: Path, *, insecure: bool = False) -> Policy:
    """Read and check remediation.yml; `insecure` accepts a file that others may write.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    document = read_yaml(file)
    why = None if insecure else writable(file)
    if why is not None:
        raise ConfigError([Problem(str(file), None, "", f"{why} (or say --insecure-config)")])
    return check_policy(document)


def check_policy(document: Document) -> Policy:
    """Check what a file holds.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return _Checker(document).policy()


@dataclass
class _Checker:
    """Goes through the whole file and collects problems on the way, so that a person sees all of them at once."""

    document: Document
    found: list[Problem] = field(default_factory=list)

    def policy(self) -> Policy:
        data = self.document.data
        if not isinstance(data, dict):
            raise ConfigError([self.document.problem((), "expected keys and values such as remediations:")])
        entries = data.get("remediations") or []
        if not isinstance(entries, list):
            raise ConfigError([self.document.problem(("remediations",), "expected a list of remediations")])
        settings = self._model(Settings, {**data, "remediations": []}, ())
        parsed = [self._model(RemediationKeys, entry, ("remediations", i)) for i, entry in enumerate(entries)]
        if settings is None:
            raise ConfigError(self.found)
        tellers = {
            name: teller
            for name, keys in settings.notifiers.items()
            if (teller := self._notifier(dict(keys), ("notifiers", name))) is not None
        }
        remediations = [
            self._remediation(keys, settings, ("remediations", i)) for i, keys in enumerate(parsed) if keys is not None
        ]
        self._names([keys.name if keys else None for keys in parsed])
        self._levels(settings.defaults, settings, ("defaults",))
        if self.found:
            raise ConfigError(self.found)
        return Policy(settings, tuple(remediations), tellers)

    def _model(self, model: type[Kind], data: Any, path: KeyPath) -> Kind | None:
        try:
            return model.model_validate(data)
        except ValidationError as invalid:
            self.found += self.document.problems(invalid, model, path)
            return None

    def _kind(self, package: ModuleType, kind: str, base: type[Kind], word: str, path: KeyPath) -> type[Kind] | None:
        try:
            return kinds.load(package, kind, base, word)
        except (ValueError, MissingExtra) as wrong:
            self.found.append(self.document.problem(path, str(wrong)))
            return None

    def _names(self, names: list[str | None]) -> None:
        for i, name in enumerate(names):
            if name is not None and name in names[:i]:
                self.found.append(self.document.problem(("remediations", i), f"the name '{name}' is taken above"))

    def _notifier(self, keys: dict[str, Any], path: KeyPath) -> Notifier | None:
        kind = keys.pop("kind", None)
        if kind is None:
            known = ", ".join(kinds.names(notifiers))
            self.found.append(self.document.problem(path, f"the key 'kind' is missing (known: {known})"))
            return None
        found = self._kind(notifiers, str(kind), Notifier, "notifier", (*path, "kind"))
        teller = None if found is None else self._model(found, keys, path)
        for name, why in teller.problems() if teller else ():
            self.found.append(self.document.problem((*path, name), why))
        return teller

    def _remediation(self, keys: RemediationKeys, settings: Settings, path: KeyPath) -> Remediation:
        defaults = settings.defaults
        own = {name: value for name, value in keys if name in Defaults.model_fields and value is not None}
        merged = defaults.model_copy(update=own)
        for name in ("host", "target"):
            self._template(getattr(keys, name), (*path, name))
        self._levels(keys, settings, path)
        if keys.auto_fix and not keys.steps:
            self.found.append(self.document.problem(path, "it has no steps (or say auto_fix: false)"))
        steps = [self._step(step, settings, (*path, "steps", i)) for i, step in enumerate(keys.steps)]
        return Remediation(
            name=keys.name,
            matchers=self._matchers(keys.match, (*path, "match")),
            goes_on=keys.continue_,
            host=keys.host or DEFAULT_HOST,
            target=keys.target,
            mode=stricter(keys.mode, settings.mode),
            auto_fix=keys.auto_fix,
            steps=tuple(step for step in steps if step is not None),
            verify=self._verification(keys.verify, (*path, "verify")),
            runbook_url=keys.runbook_url,
            cooldown=merged.cooldown,
            max_retries=merged.max_retries,
            retry_delay=merged.retry_delay,
            timeout=merged.timeout,
            backup=merged.backup,
            stop_on_failure=merged.on_step_failure == "stop",
            cancel_on_resolve=merged.on_resolve == "cancel",
            flapping=merged.flapping,
            escalate=merged.escalate,
        )

    def _matchers(self, texts: tuple[str, ...], path: KeyPath) -> tuple[Matcher, ...]:
        parsed = []
        for i, text in enumerate(texts):
            try:
                parsed.append(parse_matcher(text))
            except ValueError as wrong:
                self.found.append(self.document.problem((*path, i), str(wrong)))
        return tuple(parsed)

    def _template(
        self, text: str | None, path: KeyPath, check: Callable[[str], None] = templates.check_template
    ) -> None:
        try:
            check(text or "")
        except ValueError as wrong:
            self.found.append(self.document.problem(path, str(wrong)))

    def _levels(self, keys: Defaults | RemediationKeys, settings: Settings, path: KeyPath) -> None:
        for i, level in enumerate(keys.escalate or ()):
            for name in level.to:
                if name not in settings.notifiers:
                    hint = did_you_mean(name, settings.notifiers) or " (notifiers: is empty)"
                    at = (*path, "escalate", i, "to")
                    self.found.append(self.document.problem(at, f"unknown notifier '{name}'{hint}"))

    def _step(self, entry: dict[str, Any], settings: Settings, path: KeyPath) -> Step | None:
        if len(entry) != 1:
            keys = ", ".join(map(str, entry)) or "none"
            message = f"a step is one action with its fields, such as command: {{argv: […]}} (here: {keys})"
            self.found.append(self.document.problem(path, message))
            return None
        (name, fields), *_ = entry.items()
        kind = self._kind(actions, str(name), Action, "action", path)
        if kind is None:
            return None
        fields = {} if fields is None else fields
        if not isinstance(fields, dict):
            self.found.append(self.document.problem((*path, name), f"expected the fields of {name}, got {fields!r}"))
            return None
        self._fields(kind, fields, settings, (*path, str(name)))
        return Step(str(name), kind, fields)

    def _fields(self, kind: type[Action], fields: dict[str, Any], settings: Settings, path: KeyPath) -> None:
        """Check a step's fields; what labels will fill is checked by the same model when they have."""
        filled_later = set(_template_paths(fields))
        for at in filled_later:
            self._template(_value_at(fields, at), path + at, templates.check_field)
        try:
            action = kind.model_validate(fields)
        except ValidationError as invalid:
            here = [p for p in self.document.problems(invalid, kind, path) if not self._later(p, path, filled_later)]
            self.found += here
            return
        if not filled_later:
            for name, why in action.refusals(settings.allow):
                self.found.append(self.document.problem((*path, *name.split(".")), why))

    def _later(self, problem: Problem, path: KeyPath, filled_later: set[KeyPath]) -> bool:
        return any(self.document.problem(path + at, problem.message) == problem for at in filled_later)

    def _verification(self, keys: Any, path: KeyPath) -> Verification | None:
        if keys is None:
            return None
        if keys == "none":
            return kinds.load(verify, "none", Verification, "verification")()
        known = [name for name in kinds.names(verify) if name != "none"]
        chosen = [name for name in known if name in keys]
        if len(chosen) != 1:
            message = f"takes exactly one of {', '.join(known)}, or none"
            self.found.append(self.document.problem(path, message))
            return None
        found = self._kind(verify, chosen[0], Verification, "verification", path)
        return None if found is None else self._model(found, keys, path)


def _template_paths(value: Any, at: KeyPath = ()) -> list[KeyPath]:
    if isinstance(value, dict):
        return [path for key, inner in value.items() for path in _template_paths(inner, (*at, str(key)))]
    if isinstance(value, list):
        return [path for i, inner in enumerate(value) for path in _template_paths(inner, (*at, i))]
    return [at] if templates.is_template(value) else []


def _value_at(value: Any, path: KeyPath) -> Any:
    for key in path:
        value = value[key]
    return value
