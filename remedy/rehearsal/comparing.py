"""What is expected beside what was found: key by key, as far as expectations go, in any order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from remedy.config.durations import parse_duration

Row = Mapping[str, Any]
_PART_OF = ("reason", "title", "refused")
"""Texts of which a part is enough."""
_SHOWN = ("decision", "outcome", "to", "remediation", "target", "level", "reason", "title")
"""Keys of what was not expected that are shown in any case."""


@dataclass(frozen=True)
class Difference:
    """What was expected and not found, and what was found and not expected; a line each, as it could be written."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def compare(expected: Sequence[BaseModel], found: Sequence[Row]) -> Difference | None:
    """Return how they differ; each that is expected stands for one that was found."""
    left = list(found)
    missing: list[Row] = []
    for row in (_given(each) for each in expected):
        fitting = next((other for other in left if _fits(row, other)), None)
        if fitting is None:
            missing.append(row)
        else:
            left.remove(fitting)
    if not missing and not left:
        return None
    asked = {key for row in missing for key in row}
    wanted = [step for row in missing for step in row.get("steps") or ()]
    return Difference(tuple(_spell(row) for row in missing), tuple(_spell(_shown(row, asked, wanted)) for row in left))


def _given(model: BaseModel) -> Row:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _fits(row: Row, found: Row) -> bool:
    return all(_agrees(key, value, found.get(key)) for key, value in row.items())


def _agrees(key: str, value: Any, found: Any) -> bool:
    match key:
        case "labels":
            return set(value.items()) <= set((found or {}).items())
        case "steps":
            pairs = zip(value or (), found or (), strict=False)
            return len(value or ()) == len(found or ()) and all(_is_step(step, other) for step, other in pairs)
        case _ if key in _PART_OF:
            return str(value) in str(found or "")
    return bool(value == found)


def _is_step(step: Row, found: Row) -> bool:
    if step.keys() != found.keys():
        return False
    ((fields, others),) = ((step[action] or {}, found[action]) for action in step)
    return all(
        str(value) in str(others.get(key, "")) if key in _PART_OF else _same(value, others.get(key))
        for key, value in fields.items()
    )


def _same(value: Any, found: Any) -> bool:
    """Tell whether two values are one, also where one duration is spelled in two ways."""
    if value == found:
        return True
    try:
        return parse_duration(value) == parse_duration(found)
    except (ValueError, TypeError):
        return False


def _shown(row: Row, asked: Iterable[str], wanted: Sequence[Row]) -> Row:
    """Choose what helps of what was found: the usual keys and those that were asked for."""
    shown = {key: value for key, value in row.items() if key in {*_SHOWN, *asked} and value not in (None, {}, [])}
    if "steps" in shown:
        fields = {action: set(fields or ()) | {"refused"} for step in wanted for action, fields in step.items()}
        shown["steps"] = [
            {action: {k: v for k, v in step[action].items() if k in fields.get(action, step[action])}}
            for step in row["steps"]
            for action in step
        ]
    return shown


def _spell(row: Row) -> str:
    return yaml.safe_dump(dict(row), default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**6).strip()
