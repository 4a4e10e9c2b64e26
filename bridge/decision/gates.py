"""The gates: pure functions over what is known, in a fixed order; the first that objects gives its reason.

A "not now" carries a due time and is looked at again while the alert fires; a "no" is final. `now` is passed in.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from bridge.decision.facts import Episode, History, Standing
from bridge.decision.own_alerts import is_own
from bridge.policy.config import Limits, Mode
from bridge.policy.matchers import first_miss
from bridge.policy.remediation import Policy, Remediation, route
from remedy.config.durations import format_duration

LOOK_AGAIN_SECONDS = 60
"""When a held episode is looked at again where nothing says when its reason ends."""
ASK_AGAIN_SECONDS = 5
"""The same for what must be asked of others: one question for all held episodes, so it is cheap."""
LOOKS_A_SECOND = 50
"""Where many are held, each is looked at the less often: thousands must not keep a processor busy for days."""
FRESH_SECONDS = 30
"""A notification younger than this is evidence enough for a first attempt when no Alertmanager answers."""
HOUR = 3600


class Verdict(StrEnum):
    """What the gates say. The order is that of the gates."""

    OWN_ALERT = "own_alert"
    MALFORMED = "malformed"
    RESOLVED = "resolved"
    DUPLICATE = "duplicate"
    NO_MATCH = "no_match"
    DISABLED = "disabled"
    NO_TARGET = "no_target"
    PAUSED = "paused"
    TARGET_BUSY = "target_busy"
    COOLDOWN = "cooldown"
    LIMITED = "limited"
    BREAKER_OPEN = "breaker_open"
    FLAPPING = "flapping"
    NOT_FIRING = "not_firing"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    AWAITING_APPROVAL = "awaiting_approval"
    DENIED = "denied"
    DRY_RUN = "dry_run"
    RUN = "run"
    MISTAKE = "mistake"
    """No gate's: the bridge itself failed at it, and looks again."""


class Decision(NamedTuple):
    """A verdict with its reason, always a sentence. `due` is the unix time of the next look; None: it is final."""

    verdict: Verdict
    reason: str
    due: float | None = None


class Case(NamedTuple):
    """Everything that the gates may look at for one episode and one remediation."""

    episode: Episode
    remediation: Remediation
    host: str
    target: str
    limits: Limits
    history: History
    standing: Standing
    now: float
    by_hand: bool = False
    """Somebody approved it, or asked for it: it does not wait for approval."""


Gate = Callable[[Case], Decision | None]


def choose(episode: Episode, policy: Policy) -> tuple[list[Remediation], Decision | None]:
    """Choose the remediations of a firing episode, or say why it has none."""
    if is_own(episode.labels):
        return [], Decision(Verdict.OWN_ALERT, "the bridge raises this alert itself; it never routes back")
    chosen = route(policy.remediations, episode.labels)
    if chosen:
        return chosen, None
    misses = [f"{r.name} wants {first_miss(r.matchers, episode.labels)}" for r in policy.remediations[:5]]
    more = f" and {len(policy.remediations) - 5} more" if len(policy.remediations) > len(misses) else ""
    why = f": {'; '.join(misses)}{more}" if misses else ": none is configured"
    return [], Decision(Verdict.NO_MATCH, f"no remediation matches{why}")


def disabled(case: Case) -> Decision | None:
    """Refuse what is switched off."""
    if not case.remediation.auto_fix:
        return Decision(Verdict.DISABLED, f"{case.remediation.name} says auto_fix: false")
    if case.remediation.mode is Mode.OFF:
        return Decision(Verdict.DISABLED, f"the mode of {case.remediation.name} is off")
    return None


def no_target(case: Case) -> Decision | None:
    """Refuse an empty host or target: missing never means "all"."""
    for word, value in (("host", case.host), ("target", case.target)):
        if not value:
            return Decision(Verdict.NO_TARGET, f"the labels give no {word}")
    return None


def paused(case: Case) -> Decision | None:
    """Hold while somebody paused it."""
    pause = case.history.pause
    if pause is None:
        return None
    again = _again(case, LOOK_AGAIN_SECONDS)
    scope = "everything" if not pause.remediation else pause.remediation
    return Decision(Verdict.PAUSED, f"{scope} is paused: {pause.reason}", min(pause.until or again, again))


def target_busy(case: Case) -> Decision | None:
    """Hold while another run is at work on the host, or on the target from another host."""
    busy, other = case.history.busy_with, case.history.busy_host
    if busy is None:
        return None
    where = case.host if other is None else f"{case.target} from {other}"
    return Decision(Verdict.TARGET_BUSY, f"run {busy} is at work on {where}", _again(case, LOOK_AGAIN_SECONDS))


def cooldown(case: Case) -> Decision | None:
    """Hold for a while after the end of the last run that started a step; a clock that jumps back adds nothing."""
    last, pause = case.history.last_end, case.remediation.cooldown.total_seconds()
    if last is None or min(last, case.now) + pause <= case.now:
        return None
    due = min(last, case.now) + pause
    why = f"{case.target} was last worked on {max(0.0, case.now - last):.0f} s ago, its cooldown is"
    return Decision(Verdict.COOLDOWN, f"{why} {format_duration(case.remediation.cooldown)}", due)


def no_slot(case: Case) -> Decision | None:
    """Hold while as much is running as may be at once."""
    if case.history.running < case.limits.concurrent:
        return None
    why = f"{case.history.running} runs are at work, the limit is {case.limits.concurrent}"
    return Decision(Verdict.LIMITED, why, _again(case, LOOK_AGAIN_SECONDS))


def limited(case: Case) -> Decision | None:
    """Hold while as much is running, or was run in the last hour, as may be."""
    limits, history = case.limits, case.history
    if (held := no_slot(case)) is not None:
        return held
    if history.runs_in_hour >= limits.runs_per_hour:
        why = f"{history.runs_in_hour} runs were started within the last hour, the limit is {limits.runs_per_hour}"
        return Decision(Verdict.LIMITED, why, _again(case, LOOK_AGAIN_SECONDS))
    return None


def breaker_open(case: Case) -> Decision | None:
    """Hold when one remediation would touch more distinct hosts than it may; a person resets the breaker."""
    due = _again(case, LOOK_AGAIN_SECONDS)
    if case.history.breaker is not None:
        return Decision(Verdict.BREAKER_OPEN, f"the breaker is open: {case.history.breaker}", due)
    others, allowed = case.history.other_hosts, case.limits.targets
    if case.history.host_touched or others < allowed.max:
        return None
    why = (
        f"{case.remediation.name} has touched {others} hosts within {format_duration(allowed.window)},"
        f" the limit is {allowed.max}"
    )
    return Decision(Verdict.BREAKER_OPEN, why, due)


def flapping(case: Case) -> Decision | None:
    """Hold what keeps coming back: fixing it once more does not help."""
    rule = case.remediation.flapping
    if case.history.returns < rule.times:
        return None
    why = f"the alert came back {case.history.returns} times within {format_duration(rule.within)}"
    again = _again(case, LOOK_AGAIN_SECONDS)
    return Decision(Verdict.FLAPPING, why, min(case.history.calm_at or again, again))


def not_firing(case: Case) -> Decision | None:
    """Hold what Prometheus or Alertmanager does not know as firing now."""
    standing, due = case.standing, _again(case, ASK_AGAIN_SECONDS)
    if standing.prometheus is False:
        return Decision(Verdict.NOT_FIRING, "the alert is not active in Prometheus", due)
    if standing.prometheus_error:
        return Decision(Verdict.NOT_FIRING, f"Prometheus was asked: {standing.prometheus_error}", due)
    if standing.asked == 0 or standing.listed:
        return None
    if standing.answered == standing.asked:
        return Decision(Verdict.NOT_FIRING, "no Alertmanager lists the alert", due)
    fresh = case.now - case.episode.notified_at < FRESH_SECONDS
    if fresh and standing.answered == 0 and case.history.attempts == 0:
        return None
    why = f"{standing.asked - standing.answered} of {standing.asked} Alertmanagers cannot tell"
    return Decision(Verdict.NOT_FIRING, f"{why}: {standing.trouble}", due)


def silenced(case: Case) -> Decision | None:
    """Hold what any Alertmanager says is silenced."""
    if not case.standing.silenced_by:
        return None
    why = f"silenced by {', '.join(case.standing.silenced_by)}"
    return Decision(Verdict.SILENCED, why, _again(case, ASK_AGAIN_SECONDS))


def inhibited(case: Case) -> Decision | None:
    """Hold what any Alertmanager says is inhibited by another alert."""
    if not case.standing.inhibited_by:
        return None
    why = f"inhibited by {', '.join(case.standing.inhibited_by)}"
    return Decision(Verdict.INHIBITED, why, _again(case, ASK_AGAIN_SECONDS))


def awaiting_approval(case: Case) -> Decision | None:
    """Wait for a person where the mode wants one."""
    if case.remediation.mode is not Mode.APPROVE or case.by_hand:
        return None
    return Decision(Verdict.AWAITING_APPROVAL, f"{case.remediation.name} waits for approval")


def dry_run(case: Case) -> Decision | None:
    """Only say what would be done."""
    if case.remediation.mode is not Mode.DRY_RUN:
        return None
    return Decision(Verdict.DRY_RUN, "the mode is dry_run: nothing is changed")


CONFIGURED: tuple[Gate, ...] = (disabled, no_target)
"""Gates that need the configuration alone: they are asked in the request."""
RECORDED: tuple[Gate, ...] = (paused, target_busy, cooldown, limited, breaker_open, flapping)
"""Gates that need the ledger."""
ASKED: tuple[Gate, ...] = (not_firing, silenced, inhibited)
"""Gates that need an answer from Prometheus and Alertmanager; asked before every attempt."""
MODES: tuple[Gate, ...] = (awaiting_approval, dry_run)
RETRIES: tuple[Gate, ...] = (disabled, paused, no_slot, *ASKED, dry_run)
"""Gates before a further attempt of a run that has begun: what was switched off since then is not tried again."""
FINISHING: tuple[Gate, ...] = CONFIGURED + RECORDED + MODES
"""Gates of a run that is to finish though its alert is over: there is nothing to ask about it any more."""
GATES: tuple[Gate, ...] = CONFIGURED + RECORDED + ASKED + MODES


def _again(case: Case, seconds: float) -> float:
    """Return when to look again at what nothing announces."""
    return case.now + max(seconds, case.history.held / LOOKS_A_SECOND)


def decide(case: Case, gates: Iterable[Gate] = GATES) -> Decision:
    """Return the first objection, or `run`."""
    for gate in gates:
        decision = gate(case)
        if decision is not None:
            return decision
    return Decision(Verdict.RUN, f"{case.remediation.name} may run on {case.target}")
