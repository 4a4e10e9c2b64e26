"""The alerts that the bridge raises itself. They are for people and never route back to it."""

from collections.abc import Mapping

REMEDIATION_FAILED = "RemediationFailed"
"""Raised through Alertmanager for a run that did not help; carries the original's labels."""
MACHINERY = frozenset({REMEDIATION_FAILED, "BridgeDown", "RemediationBreakerOpen", "RemediationPaused"})
"""Names from monitoring/alert_rules.yml that are about this project's own machinery."""


def is_own(labels: Mapping[str, str]) -> bool:
    """Tell whether an alert is one of ours."""
    return labels.get("alertname") in MACHINERY
