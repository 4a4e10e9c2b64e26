"""The alerts that the bridge raises itself. They are for people and never route back to it."""

from collections.abc import Mapping

REMEDIATION_FAILED = "RemediationFailed"
"""Raised through Alertmanager for a run that did not help; carries the original's labels."""
MACHINERY = frozenset(
    {
        REMEDIATION_FAILED,
        "BridgeConfigRejected",
        "BridgeDown",
        "BridgeLedgerUnwritable",
        "BridgeRefusesNotifications",
        "ExporterConfigRejected",
        "ExporterDown",
        "RemediationBreakerOpen",
        "RemediationEscalationFailed",
        "RemediationPaused",
    }
)
"""Also the group `machinery` of monitoring/alert_rules.yml; a test holds the two together."""


def is_own(labels: Mapping[str, str]) -> bool:
    """Tell whether an alert is one of ours."""
    return labels.get("alertname") in MACHINERY
