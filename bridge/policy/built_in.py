"""What the bridge can do without being configured: put back what a run changed."""

from dataclasses import replace
from datetime import timedelta

from bridge.actions.restore_backup import RestoreBackup
from bridge.policy.config import Settings
from bridge.policy.remediation import DEFAULT_HOST, Remediation, Step
from bridge.verify.none import NoVerification

RESTORE = "restore"
"""The name of the remediation that `remedy restore` runs; no other may have it."""
_MOST_SECONDS = 3600
"""Large copies take their time."""


def built_in(settings: Settings) -> tuple[Remediation, ...]:
    """Return the remediations that are always there, run by hand only: no alert matches them."""
    defaults = settings.defaults
    restore = Remediation(
        name=RESTORE,
        matchers=(),
        goes_on=False,
        host=DEFAULT_HOST,
        target=None,
        mode=settings.mode,
        auto_fix=True,
        steps=(Step("restore_backup", RestoreBackup, {"run_id": "{{ labels.run }}"}),),
        verify=NoVerification(),
        runbook_url=None,
        cooldown=timedelta(0),
        max_retries=0,
        retry_delay=defaults.retry_delay,
        retry_backoff=defaults.retry_backoff,
        retry_jitter=defaults.retry_jitter,
        approve_within=defaults.approve_within,
        timeout=timedelta(seconds=_MOST_SECONDS),
        backup=defaults.backup,
        stop_on_failure=True,
        cancel_on_resolve=False,
        flapping=defaults.flapping,
        escalate=(),
    )
    return (restore,)


def unconfigured(name: str, settings: Settings) -> Remediation:
    """Stand in for a remediation that is gone from the configuration: what it has begun can be ended, and no more."""
    return replace(built_in(settings)[0], name=name, steps=())
