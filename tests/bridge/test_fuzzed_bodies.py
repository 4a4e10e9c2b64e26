"""Any body through the whole HTTP side: never a 500, never a trace, and no valid alert is lost for what stands beside it."""

# ruff: noqa: E501 - a table is read by its rows
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bridge.served_bridge import Served, served
from tests.bridge.world import TESTDATA, alert, notification

BODIES = [file.read_bytes() for file in sorted(TESTDATA.glob("webhook_*.json")) if ".http." not in file.name]
TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["", "\0", "\ud800", "\ufeff", "\u202e", "a" * 5000]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "2026-11-21T07:51:48.249123456Z",
        "2026-11-21T13:21:48+05:30",
        "9999-12-31T23:59:59.999999999Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21",
        "24:00",
    ]
)
FINGERPRINTS = st.sampled_from(["", "0" * 16, "f" * 16, "F" * 64, "f" * 65, "../x"])
FIELDS = {
    "status": st.sampled_from(["firing", "resolved", "suppressed"]),
    "labels": st.dictionaries(TEXTS, TEXTS, max_size=5)
    | st.integers(1, 200).map(lambda n: {f"l{i}": "x" for i in range(n)}),
    "annotations": st.dictionaries(TEXTS, TEXTS, max_size=3),
    "startsAt": TIMES,
    "endsAt": TIMES,
    "fingerprint": FINGERPRINTS,
}
CHANGES = st.fixed_dictionaries({}, optional={name: values | JSON for name, values in FIELDS.items()})
ALERTS = CHANGES.map(lambda changed: {**alert(), **changed}) | JSON
AROUND = st.dictionaries(
    st.sampled_from(["receiver", "externalURL", "groupKey", "truncatedAlerts", "status", "commonLabels", "x"]), JSON
)
ANYTHING = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Where memory can hold the ledger, it does: this is about what is said, not about what a disk has."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else tmp_path_factory.mktemp("fuzzed")
    with TemporaryDirectory(dir=place) as folder, served(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


def send(bridge: Served, body: bytes) -> tuple[int, Any]:
    answer = bridge.ask("POST", "/webhook", "sender", data=body, content_type="application/json")
    assert answer.status_code in (200, 400)
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    return answer.status_code, answer.json


@ANYTHING
@given(st.lists(ALERTS, max_size=4), AROUND, st.data())
def test_a_valid_alert_is_taken_whatever_stands_beside_it(
    bridge: Served, numbers: Iterator[int], others: list[Any], around: dict[str, Any], data: Any
) -> None:
    good = {"alertname": "Off", "instance": f"good-{next(numbers)}:9100"}
    alerts = [*others]
    alerts.insert(data.draw(st.integers(0, len(others))), alert(good))
    status, told = send(bridge, notification(*alerts, **around))
    assert status == 200
    assert told["accepted"] >= 1
    assert sum(told.values()) >= len(alerts)
    latest = bridge.get("/api/v1/episodes?limit=20")["episodes"]
    assert good in [episode["labels"] for episode in latest]


@ANYTHING
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_taken_or_refused(bridge: Served, body: bytes) -> None:
    status, told = send(bridge, body)
    assert status == 200 or told["error"]


@ANYTHING
@given(st.binary(max_size=20), st.integers(0, 2000), st.sampled_from(BODIES), st.booleans())
def test_a_damaged_notification_is_taken_or_refused(
    bridge: Served, junk: bytes, at: int, body: bytes, cut: bool
) -> None:
    send(bridge, body[:at] + junk + (b"" if cut else body[at + len(junk) :]))


DEEP = "[" * 5000 + "]" * 5000
STRANGE = {
    "empty": b"",
    "nested deeply": f'{{"version": "4", "alerts": [{DEEP}]}}'.encode(),
    "nested beside": f'{{"version": "4", "alerts": [], "x": {DEEP}}}'.encode(),
    "a million brackets": b"[" * 1_000_000,
    "utf-16": '{"version": "4", "alerts": []}'.encode("utf-16"),
    "no utf-8": b'{"version": "4", "alerts": [], "receiver": "\xff\xfe"}',
    "a number without end": b'{"version": "4", "alerts": [' + b"9" * 100_000 + b"]}",
    "not a number": b'{"version": "4", "alerts": [NaN, Infinity, -Infinity]}',
    "null": b"null",
    "ten thousand nothings": b'{"version": "4", "alerts": [' + b"null," * 9_999 + b"null]}",
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE)
def test_what_is_made_to_break_readers(bridge: Served, body: bytes) -> None:
    send(bridge, body)


MAD = {
    "lists in lists": "[" * 5000 + "]" * 5000,
    "objects in objects": '{"labels":' * 5000 + "{}" + "}" * 5000,
    "brackets in a text": '{"a": ["]}", ' + "[" * 5000 + "]" * 5000 + "]}",
    "a number without end": "9" * 5000,
    "a fraction without end": f"-{'9' * 5000}.{'9' * 5000}e10",
}


@pytest.mark.parametrize("mad", MAD.values(), ids=MAD)
@pytest.mark.parametrize("first", [True, False])
def test_a_mad_alert_takes_no_sound_one_along(bridge: Served, numbers: Iterator[int], mad: str, *, first: bool) -> None:
    labels = {"alertname": "Off", "instance": f"sound-{next(numbers)}", "text": '[{"\\"', "number": "1" * 400}
    alerts = [mad, json.dumps(alert(labels))]
    body = '{"version": "4", "alerts": [' + ", ".join(alerts if first else alerts[::-1]) + "]}"
    assert send(bridge, body.encode()) == (200, {"accepted": 1, "duplicates": 0, "malformed": 1, "resolved": 0})
    assert bridge.get("/api/v1/episodes?limit=1")["episodes"][0]["labels"] == labels


OLDER_AND_NEWER = {
    "0.22": {},
    "0.28": {"truncatedAlerts": 0, "routeID": "{}"},
    "0.33": {"routeLabels": {"team": "a"}, "notification_reason": "new_alerts", "commonAnnotations": None},
}


@pytest.mark.parametrize("more", OLDER_AND_NEWER.values(), ids=OLDER_AND_NEWER)
@pytest.mark.parametrize("file", sorted(TESTDATA.glob("webhook_*firing*.json")), ids=lambda file: file.stem)
def test_notifications_of_other_versions(
    bridge: Served, file: Any, more: dict[str, Any], numbers: Iterator[int]
) -> None:
    """Up to 0.19 there were no fingerprints; newer ones add fields, to the notification and to each alert."""
    sent = json.loads(file.read_text())
    sent = sent.get("body", sent)
    if isinstance(sent, str):
        sent = json.loads(sent)
    for each in sent["alerts"]:
        each["labels"]["run"] = str(next(numbers))
        del each["fingerprint"]
        each |= {"newer": more}
    if not more:
        del sent["truncatedAlerts"]
    status, told = send(bridge, json.dumps(sent | more).encode())
    firing = sum(each["status"] == "firing" for each in sent["alerts"])
    assert (status, told["accepted"], told["malformed"]) == (200, firing, 0)


def test_what_a_cut_notification_leaves_out_is_neither_closed_nor_lost(bridge: Served) -> None:
    """With `max_alerts: 1` it says `resolved` while another alert fires: measured."""
    one, other = ({"alertname": "Cut", "instance": f"{host}:9100"} for host in ("web-1", "web-2"))
    assert bridge.notify(alert(one), alert(other)).json["accepted"] == 2
    body = notification(alert(one, status="resolved"), truncatedAlerts=1, status="resolved", commonLabels=one)
    assert send(bridge, body)[1] == {"accepted": 0, "duplicates": 0, "malformed": 0, "resolved": 1}
    found = {
        e["labels"]["instance"]: e["state"]
        for e in bridge.get("/api/v1/episodes")["episodes"]
        if e["labels"].get("alertname") == "Cut"
    }
    assert found == {"web-1:9100": "closed", "web-2:9100": "open"}
