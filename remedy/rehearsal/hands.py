"""What stands in for steps and proofs: nothing is touched, and each attempt goes as the test says."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.ledger.promise import Go
from bridge.ledger.runs import Run
from bridge.policy.remediation import Policy, Remediation, Step
from bridge.run.runner import Runner
from bridge.run.verification import suitable
from bridge.verify.base import Evidence, Finding, Scene, Verification
from remedy.rehearsal.keys import Attempt

_EVIDENCE = {
    Attempt.FIXED: Finding(Evidence.HEALED, "the test says that it helped"),
    Attempt.UNVERIFIED: Finding(Evidence.UNPROVABLE, "the test says that nothing proves it"),
    Attempt.FAILED: Finding(Evidence.NOT_HEALED, "the test says that it did not help"),
}


@dataclass
class Fate:
    """How attempts go."""

    words: dict[str, tuple[Attempt, ...]] = field(default_factory=dict)
    """By remediation, one word for each attempt of a run."""
    current: Attempt = Attempt.FIXED
    """How the attempt goes that is being made; one that clears while it waits is fixed."""

    def begin(self, remediation: str, number: int) -> None:
        """Begin an attempt; `number` counts from 1."""
        words = self.words.get(remediation, (Attempt.FIXED,))
        self.current = words[min(number, len(words)) - 1]


class FatedRunner(Runner):
    """The bridge's runner, which says to fate which attempt begins."""

    fate: Fate

    def attempt(self, run: Run, remediation: Remediation, allow: Allow, go: Go) -> None:
        """Make an attempt as the test says."""
        self.fate.begin(remediation.name, run.attempts)
        super().attempt(run, remediation, allow, go)
        self.fate.current = Attempt.FIXED


def harmless(policy: Policy, fate: Fate) -> Policy:
    """Return a policy that is the same but for what its steps and proofs do."""
    return replace(policy, remediations=tuple(_harmless(each, fate) for each in policy.remediations))


def _harmless(remediation: Remediation, fate: Fate) -> Remediation:
    made: dict[type[Action], type[Action]] = {}
    for step in remediation.steps:
        made.setdefault(step.kind, _only_said(step.kind, fate))
    steps = tuple(replace(step, kind=made[step.kind]) for step in remediation.steps)
    proof = remediation.verify
    if remediation.wants_proof:
        proof = _Fated.model_construct(fate=fate, real=proof)
    return replace(remediation, steps=steps, verify=proof)


def _only_said(kind: type[Action], fate: Fate) -> type[Action]:
    """Make a kind of step that is filled, checked and refused like another, and does nothing."""

    def run(_step: Action, _context: StepContext) -> str:
        if fate.current is Attempt.STEP_FAILED:
            raise StepError("the test says so")
        return "not done: it is a test"

    def wants_backup(_step: Action, _configured: bool) -> bool:
        return False

    members = {"run": run, "wants_backup": wants_backup, "__module__": kind.__module__, "__doc__": kind.__doc__}
    made: type[Action] = types.new_class(kind.__name__, (kind,), exec_body=lambda names: names.update(members))
    return made


class _Fated(Verification):
    """A proof that holds or not, as the test says; by hand as far as the real one can tell."""

    fate: Any
    real: Verification | None

    def time_limit(self) -> timedelta:
        """No time at all."""
        return timedelta(0)

    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Find what the test says."""
        real = self.real or suitable(scene)
        if scene.by_hand and real.asks_alert:
            yield from real.looks(scene)
        while True:
            yield _EVIDENCE.get(self.fate.current, _EVIDENCE[Attempt.FAILED])


def filled(remediation: Remediation, labels: Mapping[str, str], allow: Allow) -> list[dict[str, dict[str, Any]]]:
    """Return the steps as they would be done, {action: fields}; `refused` where one would not."""
    return [{step.action: _filled(step, labels, allow)} for step in remediation.steps]


def _filled(step: Step, labels: Mapping[str, str], allow: Allow) -> dict[str, Any]:
    try:
        action = step.fill(labels)
    except ValueError as error:
        return {"refused": " ".join(str(error).splitlines()[:3])}
    refusals = "; ".join(f"{name}: {why}" for name, why in action.refusals(allow))
    fields = action.model_dump(mode="json", by_alias=True)
    return {**fields, "refused": refusals} if refusals else fields
