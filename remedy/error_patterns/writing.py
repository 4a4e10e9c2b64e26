"""The translation as two files for people: with comments that say where each part comes from, and what is left out."""

from collections.abc import Iterator
from typing import Any

from remedy.error_patterns.patterns import ErrorPattern, spell_allow
from remedy.error_patterns.translation import Translation
from remedy.error_patterns.yamltext import block, inline

_LOOKED_AT = ("health", "checks", "log", "monitored")
"""How the sections begin that become exporter.yml."""


def exporter_text(translation: Translation) -> str:
    """Write exporter.yml."""
    data = translation.exporter
    lines = [
        f"# Made by `remedy import` from {_plain(translation.place.config.name)}: what is looked at.",
        *_notes(translation, of_exporter=True),
        f"state: {inline(data['state'])}  # positions in the logs, and counts",
        *_section("checks", data["checks"]),
        "# The last 1,000 lines of each at the first start, then what is new; no line counts twice.",
        *_section("log_sources", data["log_sources"]),
        "log_patterns:",
        "  use: []  # `builtin`: the twelve that ship, instead of the file's own",
        *_section("add", data["log_patterns"]["add"], 2),
    ]
    return "\n".join(lines) + "\n"


def remediation_text(translation: Translation) -> str:
    """Write remediation.yml."""
    data = dict(translation.remediation)
    patterns = {pattern.id: pattern for pattern in translation.patterns}
    entries = data.pop("remediations")
    allow = data.pop("allow")
    lines = [
        f"# Made by `remedy import` from {_plain(translation.place.config.name)}: what is done about it.",
        *_notes(translation, of_exporter=False),
        block(data, 0).rstrip("\n"),
        "# What steps may touch. What the file asks for beyond that is left out below; the lines here would let it in.",
        "allow:",
        block(allow, 2).rstrip("\n") if allow else "  {}",
        *_wanted(allow, translation.missing),
        "# Each pattern has a queue of its own, as it had one cooldown of its own, whichever log it was found in.",
        "remediations:" if entries else "remediations: []",
    ]
    for entry in entries:
        pattern = patterns.get(entry["name"])
        lines += [*_origin(translation, pattern), *_remediation(entry, pattern)]
    return "\n".join(lines) + "\n"


def _wanted(allow: dict[str, Any], missing: dict[str, list[Any]]) -> Iterator[str]:
    """Write the lines that let in what is left out, as they would stand there."""
    for key, wanted in missing.items():
        there = list(allow.get(key) or [])
        instead = f"  # in place of {key}: above" if there else ""
        yield f"  # {key}: {inline([*there, *(each for each in wanted if each not in there)])}{instead}"


def _origin(translation: Translation, pattern: ErrorPattern | None) -> Iterator[str]:
    if pattern is None:
        return
    yield f"  # {_plain(translation.place.config.name)}:{pattern.line}: {_plain(pattern.name)}"
    if not pattern.steps and pattern.auto_fix and pattern.disabled:
        yield "  # None of its actions is allowed or known, so people are told instead (auto_fix: false)."


def _remediation(entry: dict[str, Any], pattern: ErrorPattern | None) -> Iterator[str]:
    """Write an entry; what stands for each action carries the file's words."""
    keys = {key: value for key, value in entry.items() if key != "steps"}
    yield block([keys], 2).rstrip("\n") if not entry.get("steps") else _keys_in_lines(keys)
    if entry.get("steps"):
        yield "    steps:"
        for index, step in enumerate(entry["steps"]):
            if pattern is not None and index < len(pattern.told):
                told = pattern.told[index]
                yield f"      # {_plain(told.type)}{f': {_plain(told.description)}' if told.description else ''}"
            yield block([step], 6).rstrip("\n")
    for disabled in pattern.disabled if pattern else ():
        wants = f" ({spell_allow(disabled.needs)} lets it in)" if disabled.needs else ""
        yield f"      # left out, {_plain(disabled.why)}{wants}:"
        yield f"      # - {inline({disabled.step.action: dict(disabled.step.fields)})}"


def _keys_in_lines(keys: dict[str, Any]) -> str:
    text = block(keys, 4).rstrip("\n")
    return f"  - {text.lstrip()}"


def _section(name: str, entries: list[Any], indent: int = 0) -> Iterator[str]:
    margin = " " * indent
    yield f"{margin}{name}:" if entries else f"{margin}{name}: []"
    if entries:
        yield block(entries, indent + 2).rstrip("\n")


def _notes(translation: Translation, *, of_exporter: bool) -> Iterator[str]:
    """Write down what was noted of the sections that became this file."""
    for note in translation.notes:
        if note.path.startswith(_LOOKED_AT) is of_exporter:
            yield f"# {_plain(f'line {note.line}: {note.path}: {note.message}')}"


def _plain(text: str) -> str:
    """Make one line of a text, so that nothing in it ends the comment that it stands in."""
    return "".join(char if char.isprintable() else " " for char in text)
