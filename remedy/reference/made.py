"""Everything that is made, by file name below docs/."""

import json
import re
from pathlib import Path

import exporters
from bridge import actions, notifiers, verify
from bridge.actions.base import Action
from bridge.notifiers.base import Notifier
from bridge.policy.config import Settings
from bridge.verify.base import Verification
from exporters import checks
from exporters.checks.base import Check
from exporters.config import _File as ExporterFile
from remedy.cli import cli
from remedy.reference import pages
from remedy.reference.schemas import exporter_schema, rehearsal_schema, remediation_schema
from remedy.rehearsal.keys import RehearsalFile

_EDITORS = "Editors complete and check it with [its schema](../schemas/{0}): put `# yaml-language-server: $schema=PATH`"


def made() -> dict[str, str]:
    """Return the text of every file."""
    patterns = Path(exporters.__file__).parent / "patterns"
    files = {
        "reference/remediation.md": pages.of_file(
            "remediation.yml",
            Settings,
            f"""Every key of the bridge's file. [The guide](../configuration.md) shows them at work.
            {_EDITORS.format("remediation.schema.json")} into its first line.""",
        ),
        "reference/exporter.md": pages.of_file(
            "exporter.yml",
            ExporterFile,
            f"""Every key of the exporter's file. [The guide](../configuration.md) shows them at work.
            {_EDITORS.format("exporter.schema.json")} into its first line.""",
        ),
        "reference/tests.md": pages.of_file(
            "Tests of remediation.yml",
            RehearsalFile,
            f"""Every key of a file for `remedy test`. [The guide](../testing.md) shows them at work.
            {_EDITORS.format("remediation_test.schema.json")} into its first line.""",
        ),
        "reference/actions.md": pages.of_kinds(
            "Actions",
            actions,
            Action,
            """What a step of a remediation can do. A text field may hold `{{ labels.NAME }}`: it fills one field or
            argument, and is checked like any value. [Add one](../../CONTRIBUTING.md#add-an-action).""",
        ),
        "reference/verifications.md": pages.of_kinds(
            "Verifications", verify, Verification, "What must be true before a run counts as `fixed`: `verify:`."
        ),
        "reference/notifiers.md": pages.of_kinds(
            "Notifiers", notifiers, Notifier, "How people are told: `notifiers:` names them, `escalate:` calls them."
        ),
        "reference/checks.md": pages.of_kinds(
            "Checks",
            checks,
            Check,
            "What the exporter looks at: `checks:`. [Add one](../../CONTRIBUTING.md#add-a-check).",
        ),
        "reference/patterns.md": pages.of_patterns(
            patterns,
            "What ships. Case is ignored; a line counts once for each pattern that it matches. "
            "[Add one](../../CONTRIBUTING.md#add-a-pattern).",
        ),
        "reference/commands.md": pages.of_commands(cli),
        "schemas/remediation.schema.json": _json(remediation_schema()),
        "schemas/remediation_test.schema.json": _json(rehearsal_schema()),
        "schemas/exporter.schema.json": _json(exporter_schema()),
    }
    return {name: _tidy(text) for name, text in files.items()}


def _tidy(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"


def write(docs: Path) -> None:
    """Write them all below a folder."""
    for name, text in made().items():
        file = docs / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True)
