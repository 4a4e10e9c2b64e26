"""remediation.yml → `Policy`: refused whole, with everything that is wrong with it at once."""

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bridge import notifiers, verify
from bridge.actions.host.folders import root_refusal
from bridge.notifiers.base import Notifier
from bridge.policy import private_tmp, section_check, templates
from bridge.policy.built_in import RESTORE, built_in
from bridge.policy.config import Defaults, RemediationKeys, Settings, stricter
from bridge.policy.matchers import Matcher, parse_matcher
from bridge.policy.remediation import DEFAULT_HOST, Policy, Remediation
from bridge.policy.salvage import salvage
from bridge.policy.step_check import StepCheck
from bridge.verify.base import Verification
from remedy.config import kinds
from remedy.config.extras import MissingExtra
from remedy.config.permissions import writable
from remedy.config.problems import ConfigError, KeyPath, Problem, did_you_mean
from remedy.config.yamlfile import Document, read_yaml

Kind = TypeVar("Kind", bound=BaseModel)
_INSTEAD = {"name": "wrong", "match": ['alertname="wrong"'], "steps": [{"wait": {"duration": "1s"}}]}
"""Stands in for what is wrong while the rest of a remediation is looked at."""


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
    data = document.data
    if not isinstance(data, dict):
        raise ConfigError([document.problem((), "expected keys and values such as remediations:")])
    return _Checker(document, data).policy()


@dataclass
class _Checker:
    """Goes through the whole file and collects problems on the way, so that a person sees all of them at once."""

    document: Document
    data: dict[str, Any]
    found: list[Problem] = field(default_factory=list)

    def policy(self) -> Policy:
        entries = self.data.get("remediations")
        if not isinstance(entries, list | None):
            self._say(("remediations",), "expected a list of remediations")
            entries = None
        keys = {**self.data, "remediations": []}
        settings, wrong = self._right_part(Settings, keys, (), {"notifiers": {"any": {"kind": "log"}}})
        self._allowed(settings)
        self._say_all(section_check.programs(self.data.get("allow"), ("allow",)))
        self._say_all(section_check.peers(self.data.get("alertmanagers"), ("alertmanagers",)))
        self._say_all(section_check.peer(self.data.get("prometheus") or {}, ("prometheus",)))
        tellers = {name: self._notifier(dict(keys), ("notifiers", name)) for name, keys in settings.notifiers.items()}
        self._levels(self.data.get("defaults"), ("defaults",))
        given = self.data.get("notifiers")
        known = [str(name) for name in given] if isinstance(given, dict) else []
        steps = StepCheck(self.document, None if "allow" in wrong else settings.allow, self.found, known)
        remediations = [
            self._remediation(entry, settings, steps, ("remediations", i)) for i, entry in enumerate(entries or ())
        ]
        self._names([entry.get("name") if isinstance(entry, dict) else None for entry in entries or ()])
        if self.found:
            raise ConfigError(self.found)
        told = {name: one for name, one in tellers.items() if one is not None}
        return Policy(settings, tuple(remediations), told, built_in(settings))

    def _say(self, path: KeyPath, message: str) -> None:
        self.found.append(self.document.problem(path, message))

    def _say_all(self, problems: section_check.Found) -> None:
        for path, message in problems:
            self._say(path, message)

    def _model(self, model: type[Kind], data: Any, path: KeyPath) -> Kind | None:
        try:
            return model.model_validate(data)
        except ValidationError as invalid:
            self.found += self.document.problems(invalid, model, path)
            return None

    def _right_part(
        self, model: type[Kind], data: Any, path: KeyPath, instead: dict[str, Any]
    ) -> tuple[Kind, set[object]]:
        """Validate some keys; where some are wrong, go on with the others. Returns the names of the wrong ones too."""
        try:
            return model.model_validate(data), set()
        except ValidationError as invalid:
            self.found += self.document.problems(invalid, model, path)
            wrong: set[object] = {error["loc"][0] for error in invalid.errors() if error["loc"]}
            return salvage(model, data, invalid, instead), wrong

    def _allowed(self, settings: Settings) -> None:
        """See that what is allowed is what a step would really meet."""
        hidden = private_tmp.replaced()
        for i, root in enumerate(settings.allow.roots):
            if (refused := root_refusal(root)) is not None:
                self._say(("allow", "roots", i), refused)
            if any(root.is_relative_to(folder) for folder in hidden):
                why = f"cleaning {root} would clean nothing: this unit has an empty one of its own (PrivateTmp=)"
                self._say(("allow", "roots", i), f"{why}; `remedy install-service … --shared-tmp` changes that")

    def _kind(self, package: ModuleType, kind: str, base: type[Kind], word: str, path: KeyPath) -> type[Kind] | None:
        try:
            return kinds.load(package, kind, base, word)
        except (ValueError, MissingExtra) as wrong:
            self._say(path, str(wrong))
            return None

    def _names(self, names: list[object]) -> None:
        for i, name in enumerate(names):
            if name == RESTORE:
                self._say(
                    ("remediations", i, "name"), f"'{RESTORE}' is what `remedy restore` runs: choose another name"
                )
            if name is not None and name in names[:i]:
                self._say(("remediations", i, "name"), f"the name '{name}' is taken above")

    def _notifier(self, keys: dict[str, Any], path: KeyPath) -> Notifier | None:
        kind = keys.pop("kind", None)
        if kind is None:
            known = ", ".join(kinds.names(notifiers))
            self._say(path, f"the key 'kind' is missing (known: {known})")
            return None
        found = self._kind(notifiers, str(kind), Notifier, "notifier", (*path, "kind"))
        teller = None if found is None else self._model(found, keys, path)
        for name, why in teller.problems() if teller else ():
            self._say((*path, *name.split(".")), why)
        return teller

    def _remediation(self, entry: Any, settings: Settings, steps: StepCheck, path: KeyPath) -> Remediation:
        keys, wrong = self._right_part(RemediationKeys, entry, path, _INSTEAD)
        defaults = settings.defaults
        own = {name: value for name, value in keys if name in Defaults.model_fields and value is not None}
        merged = defaults.model_copy(update=own)
        for name in ("host", "target"):
            self._template(getattr(keys, name), (*path, name))
        self._levels(entry, path)
        if keys.auto_fix and not keys.steps and "steps" not in wrong:
            self._say(path, "it has no steps (or say auto_fix: false)")
        made = [steps.step(step, (*path, "steps", i)) for i, step in enumerate(keys.steps)]
        return Remediation(
            name=keys.name,
            matchers=self._matchers(keys.match, (*path, "match")),
            goes_on=keys.continue_,
            host=keys.host or DEFAULT_HOST,
            target=keys.target,
            mode=stricter(keys.mode, settings.mode),
            auto_fix=keys.auto_fix,
            steps=tuple(step for step in made if step is not None),
            verify=self._verification(keys.verify, (*path, "verify")),
            runbook_url=keys.runbook_url,
            cooldown=merged.cooldown,
            max_retries=merged.max_retries,
            retry_delay=merged.retry_delay,
            retry_backoff=merged.retry_backoff,
            retry_jitter=merged.retry_jitter,
            approve_within=merged.approve_within,
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
                self._say((*path, i), str(wrong))
        return tuple(parsed)

    def _template(self, text: str | None, path: KeyPath) -> None:
        try:
            templates.check_template(text or "")
        except ValueError as wrong:
            self._say(path, str(wrong))

    def _levels(self, keys: Any, path: KeyPath) -> None:
        entries = keys.get("escalate") if isinstance(keys, dict) else None
        self._say_all(section_check.levels(entries, (*path, "escalate"), self.data.get("notifiers")))

    def _verification(self, keys: Any, path: KeyPath) -> Verification | None:
        if keys is None:
            return None
        known = [name for name in kinds.names(verify) if name != "none"]
        if isinstance(keys, str):
            found = self._kind(verify, keys, Verification, "verification", path) if keys not in known else None
            if keys in known:
                self._say(path, f"takes keys and values here, such as {{{keys}: …}}")
            return None if found is None else found()
        if not isinstance(keys, dict):
            self._say(path, f"takes exactly one of {', '.join(known)}, or none")
            return None
        chosen = [name for name in known if name in keys]
        if len(chosen) != 1:
            strange = [name for name in keys if name not in (*known, "stable_for", "within")]
            hint = f"; unknown key '{strange[0]}'{did_you_mean(strange[0], known)}" if strange and not chosen else ""
            self._say(path, f"takes exactly one of {', '.join(known)}, or none{hint}")
            return None
        kind = self._kind(verify, chosen[0], Verification, "verification", path)
        return None if kind is None else self._model(kind, keys, path)
