"""Alertmanager's webhook payload, version 4: what is trusted of it, and what makes an alert in it malformed.

Only `alerts[].status` is trusted: with `max_alerts` the notification's own status and common labels come from the cut
list. Unknown fields are accepted, newer releases add some.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MAX_LABELS = 128
MAX_LABEL_BYTES = 64 * 1024
_NEVER = "0001-01-01T00:00:00Z"
_FNV_OFFSET, _FNV_PRIME, _MASK = 14695981039346656037, 1099511628211, 2**64 - 1


class NotAPayloadError(Exception):
    """The body is no version-4 notification at all; the message says which field, and why."""


def _timestamp(value: object) -> object:
    """Read RFC 3339 as unix seconds; Go's zero time is None."""
    if value is None or value == _NEVER or not isinstance(value, str):
        return None if value == _NEVER else value
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _bounded(labels: dict[str, str]) -> dict[str, str]:
    if not labels:
        raise ValueError("an alert has at least one label")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{len(labels)} labels are more than {MAX_LABELS}")
    if sum(len(k) + len(v) for k, v in labels.items()) > MAX_LABEL_BYTES:
        raise ValueError(f"the labels are longer than {MAX_LABEL_BYTES} bytes")
    return labels


Timestamp = Annotated[float, BeforeValidator(_timestamp)]
Labels = Annotated[dict[str, str], AfterValidator(_bounded)]


class Alert(BaseModel):
    """One element of a notification. Times are unix seconds by the sender's clock; `ends_at` is None while it fires."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: Timestamp = Field(alias="startsAt")
    ends_at: Annotated[float | None, BeforeValidator(_timestamp)] = Field(default=None, alias="endsAt")
    generator_url: str = Field(default="", alias="generatorURL")
    fingerprint: str = Field(default="", pattern=r"^[0-9a-zA-Z]{0,64}$")

    @property
    def identity(self) -> str:
        """The fingerprint that came, or the one that Alertmanager would have given."""
        return self.fingerprint or fingerprint(self.labels)


@dataclass(frozen=True)
class Malformed:
    """One element that is no alert: recorded, so that a 400 does not bring its whole group back for ever."""

    raw: Any
    reason: str


@dataclass(frozen=True)
class Notification:
    """One POST of Alertmanager."""

    external_url: str
    receiver: str
    group_key: str
    truncated: int
    alerts: list[Alert] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: Literal["4"]
    alerts: list[Any]
    receiver: str = ""
    external_url: str = Field(default="", alias="externalURL")
    group_key: str = Field(default="", alias="groupKey")
    truncated: int = Field(default=0, alias="truncatedAlerts")


def parse_notification(body: bytes) -> Notification:
    """Read a request's body.

    Raises:
        NotAPayloadError: it is no version-4 notification at all.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAPayloadError(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise NotAPayloadError(f"the body is a JSON {type(data).__name__}, not an object")
    try:
        envelope = _Envelope.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        raise NotAPayloadError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    notification = Notification(
        envelope.external_url, envelope.receiver, envelope.group_key, envelope.truncated, alerts=[], malformed=[]
    )
    for raw in envelope.alerts:
        try:
            notification.alerts.append(Alert.model_validate(raw))
        except ValidationError as invalid:
            first = invalid.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            notification.malformed.append(Malformed(raw, f"{where or 'alert'}: {first['msg']}"))
    return notification


def fingerprint(labels: Mapping[str, str]) -> str:
    """Hash labels as Alertmanager does: FNV-1a (64 bit) over the sorted names and values, each followed by 0xFF.

    Source: prometheus/common `model/signature.go`, `labelSetToFingerprint`.
    """
    digest = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            digest = ((digest ^ byte) * _FNV_PRIME) & _MASK
    return f"{digest:016x}"
