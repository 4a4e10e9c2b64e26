"""Alertmanager's webhook payload, version 4: what is trusted of it, and what makes an alert in it malformed.

Only `alerts[].status` is trusted: with `max_alerts` the notification's own status and common labels come from the cut
list. Unknown fields are accepted, newer releases add some.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from bridge.decision.shallow import without_depths

MAX_LABELS = 128
MAX_LABEL_BYTES = 64 * 1024
_LONGEST_TEXT = 32 * 1024 * 1024
"""Characters; no body that is let in is longer."""
_NEVER = "0001-01-01T00:00:00Z"
_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_SUBJECT_SHOWN, _REASON_SHOWN = 2000, 300
"""Characters that are kept of what is malformed, and of why."""
_MALFORMED_KEPT = 1000
"""Different malformed alerts of one notification that are kept; a body has room for millions."""
_MANY = 1000
"""Annotations; each wrong one would be an error of its own, of a kilobyte."""
_FNV_OFFSET, _FNV_PRIME, _MASK = 14695981039346656037, 1099511628211, 2**64 - 1


class NotAPayloadError(Exception):
    """The body is no version-4 notification at all; the message says which field, and why."""


def _timestamp(value: object) -> object:
    """Read RFC 3339 as unix seconds; Go's zero time is None. What is no time that can be shown again is refused."""
    if value is None or value == _NEVER:
        return None
    if not isinstance(value, str):
        raise ValueError("a time is text such as 2026-11-21T07:48:25Z")  # noqa: TRY004 - as pydantic wants it
    moment = datetime.fromisoformat(value)
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds <= _LATEST:
        raise ValueError("a time lies between the years 1970 and 9999")
    return seconds


def _annotations(value: object) -> object:
    """Go spells an empty map null."""
    if value is None:
        return {}
    return _texts(value) if isinstance(value, dict) and len(value) > _MANY else value


def _texts(given: Mapping[Any, Any]) -> dict[str, str]:
    return {key: text for key, text in given.items() if _is_text(key) and _is_text(text)}


def _few(labels: object) -> object:
    """Count them before each is looked at: a million wrong ones would be a million errors."""
    if isinstance(labels, dict) and len(labels) > MAX_LABELS:
        raise ValueError(f"{len(labels)} labels are more than {MAX_LABELS}")
    return labels


def _bounded(labels: dict[str, str]) -> dict[str, str]:
    if not labels:
        raise ValueError("an alert has at least one label")
    if sum(len(k.encode()) + len(v.encode()) for k, v in labels.items()) > MAX_LABEL_BYTES:
        raise ValueError(f"the labels are longer than {MAX_LABEL_BYTES} bytes")
    return labels


Timestamp = Annotated[float, BeforeValidator(_timestamp)]
Text = Annotated[str, StringConstraints(max_length=_LONGEST_TEXT)]
"""JSON can spell half of a surrogate pair, which no encoding takes: pydantic refuses it where a length is bounded."""
Labels = Annotated[dict[Text, Text], BeforeValidator(_few), AfterValidator(_bounded)]
Annotations = Annotated[dict[Text, Text], BeforeValidator(_annotations)]


class Alert(BaseModel):
    """One element of a notification. Times are unix seconds by the sender's clock; `ends_at` is None while it fires."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: Annotations = Field(default_factory=dict)
    starts_at: Timestamp = Field(alias="startsAt")
    ends_at: Annotated[float | None, BeforeValidator(_timestamp)] = Field(default=None, alias="endsAt")
    generator_url: Text = Field(default="", alias="generatorURL")
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-zA-Z]{0,64}$")

    @cached_property
    def identity(self) -> str:
        """The fingerprint that came, or the one that Alertmanager would have given."""
        return self.fingerprint or fingerprint(self.labels)


@dataclass(frozen=True)
class Malformed:
    """One element that is no alert: recorded, so that a 400 does not bring its whole group back for ever."""

    subject: str
    """What came, as JSON; its beginning if it is long."""
    reason: str

    @classmethod
    def of(cls, raw: Any, invalid: ValidationError) -> "Malformed":
        """Keep what a person needs to find the sender; all of it is bounded and can be stored, whatever came."""
        try:
            subject = json.dumps(raw, sort_keys=True)
        except (RecursionError, ValueError):
            subject = "nested too deeply to be shown"
        first = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "alert"
        why = first["msg"].removeprefix("Value error, ")
        reason = f"{where}: {why}".encode("utf-8", "replace").decode().replace("\0", " ")
        return cls(subject[:_SUBJECT_SHOWN], reason[:_REASON_SHOWN])


_MORE = Malformed('"…"', f"over {_MALFORMED_KEPT} others that are no alerts came in one notification with this one")
"""Stands for each that is not kept."""


@dataclass(frozen=True)
class Notification:
    """One POST of Alertmanager."""

    external_url: str
    receiver: str
    group_key: str
    truncated: int
    alerts: list[Alert] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)


def _text_or_none(value: object) -> str:
    return value if _is_text(value) else ""


def _count_or_none(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _is_text(value: object) -> TypeGuard[str]:
    """Tell whether something can be kept as text: JSON can spell half of a surrogate pair."""
    return isinstance(value, str) and value.encode("utf-8", "ignore").decode() == value


class _Envelope(BaseModel):
    """What stands around the alerts. Nothing depends on most of it, so what is odd there is left out."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    alerts: Annotated[list[Any], BeforeValidator(lambda value: [] if value is None else value)]
    receiver: Annotated[str, BeforeValidator(_text_or_none)] = ""
    external_url: Annotated[str, BeforeValidator(_text_or_none)] = Field(default="", alias="externalURL")
    group_key: Annotated[str, BeforeValidator(_text_or_none)] = Field(default="", alias="groupKey")
    truncated: Annotated[int, BeforeValidator(_count_or_none)] = Field(default=0, alias="truncatedAlerts")


def parse_notification(body: bytes) -> Notification:
    """Read a request's body.

    Raises:
        NotAPayloadError: it is no version-4 notification at all.
    """
    data = _json(body)
    if not isinstance(data, dict):
        raise NotAPayloadError(f"the body is a JSON {type(data).__name__}, not an object")
    try:
        envelope = _Envelope.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise NotAPayloadError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:_REASON_SHOWN]) from None
    notification = Notification(
        envelope.external_url, envelope.receiver, envelope.group_key, envelope.truncated, alerts=[], malformed=[]
    )
    kept: dict[Malformed, Malformed] = {}
    for raw in envelope.alerts:
        try:
            notification.alerts.append(_alert(raw))
        except ValidationError as invalid:
            wrong = Malformed.of(raw, invalid)
            if wrong not in kept and len(kept) >= _MALFORMED_KEPT:
                wrong = _MORE
            notification.malformed.append(kept.setdefault(wrong, wrong))
    _tell_apart(notification.alerts)
    return notification


def _json(body: bytes) -> Any:
    """Read a body; where Python's reader gives up, without what it gave up on.

    Raises:
        NotAPayloadError: it is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        with suppress(ValueError, RecursionError):
            return json.loads(without_depths(body))
        raise NotAPayloadError(f"the body is not JSON: {error}") from None


def _alert(raw: Any) -> Alert:
    """Read one element; what is wrong with what nothing depends on does not lose an alert.

    Raises:
        ValidationError: it is no alert.
    """
    try:
        return Alert.model_validate(raw)
    except ValidationError as invalid:
        wrong = {error["loc"][0] for error in invalid.errors(include_url=False, include_input=False) if error["loc"]}
        if not wrong or not wrong <= _ORNAMENTS.keys():
            raise
        return Alert.model_validate({key: _ORNAMENTS[key](raw[key]) if key in wrong else raw[key] for key in raw})


def _tell_apart(alerts: list[Alert]) -> None:
    """Compute the fingerprints of alerts that came with the same one though their labels differ: none may be lost."""
    labels: dict[str | None, Mapping[str, str]] = {}
    twice = {each.fingerprint for each in alerts if labels.setdefault(each.fingerprint, each.labels) != each.labels}
    for i, each in enumerate(alerts if twice else ()):
        if each.fingerprint in twice:
            alerts[i] = each.model_copy(update={"fingerprint": None})


_ORNAMENTS: Mapping[str, Callable[[Any], Any]] = {
    "annotations": lambda given: _texts(given) if isinstance(given, dict) else {},
    "generatorURL": lambda _: "",
    "endsAt": lambda _: None,
    "fingerprint": lambda _: None,
}
"""Keys of an alert that nothing depends on, and what is kept of each where it is wrong."""


def fingerprint(labels: Mapping[str, str]) -> str:
    """Hash labels as Alertmanager does: FNV-1a (64 bit) over the sorted names and values, each followed by 0xFF.

    Source: prometheus/common `model/signature.go`, `labelSetToFingerprint`.
    """
    digest = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = ((digest ^ byte) * _FNV_PRIME) & _MASK
    return f"{digest:016x}"
