"""The polkit rule that lets the bridge's user do with the configured units what steps do, and nothing else."""

import json
from collections.abc import Iterable

VERBS = ("restart", "start", "stop", "reload", "reset-failed")
"""As systemd names them to polkit. Enabling, masking, setting properties and writing unit files are other actions."""
_RULE = """\
// Lets {user} restart, start, stop and reload the units below, and reset their failures, without a password.
// Made by `remedy polkit` from allow.units: make it anew when these change. polkit reads it at once.
polkit.addRule(function (action, subject) {{
    var units = {units};
    var verbs = {verbs};
    if (action.id === "org.freedesktop.systemd1.manage-units" &&
        subject.user === {quoted_user} &&
        units.indexOf(action.lookup("unit")) >= 0 &&
        verbs.indexOf(action.lookup("verb")) >= 0) {{
        return polkit.Result.YES;
    }}
    return polkit.Result.NOT_HANDLED;
}});
"""


def rule(units: Iterable[str], user: str) -> str:
    """Write the rule in the JavaScript of polkit (ECMAScript 5)."""
    return _RULE.format(
        user=user,
        quoted_user=json.dumps(user),
        units=json.dumps(sorted(units), indent=8).replace("\n]", "\n    ]"),
        verbs=json.dumps(VERBS),
    )
