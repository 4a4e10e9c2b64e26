"""Alertmanager's payload: what real ones hold, and that nothing that is sent can do more than be refused in words."""

# ruff: noqa: E501 - a table is read by its rows

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.decision.payload import MAX_LABEL_BYTES, MAX_LABELS, NotAPayloadError, fingerprint, parse_notification
from tests.bridge.world import TESTDATA, alert, notification

BODIES = sorted(file for file in TESTDATA.glob("webhook_*.json") if ".http." not in file.name)
LISTINGS = sorted(TESTDATA.glob("api_v2_alerts_*.json"))


def real_alerts() -> list[Any]:
    found = [(file, entry) for file in BODIES for entry in json.loads(file.read_text())["alerts"]]
    found += [(file, entry) for file in LISTINGS for entry in json.loads(file.read_text())]
    return [pytest.param(entry, id=f"{file.stem}-{entry['labels']['alertname']}") for file, entry in found]


@pytest.mark.parametrize("sent", real_alerts())
def test_the_fingerprint_is_alertmanagers_own(sent: dict[str, Any]) -> None:
    assert fingerprint(sent["labels"]) == sent["fingerprint"]


@pytest.mark.parametrize("file", BODIES, ids=lambda file: file.stem)
def test_real_notifications_are_read_whole(file: Any) -> None:
    sent = json.loads(file.read_text())
    read = parse_notification(file.read_bytes())
    assert read.malformed == []
    assert [(a.status, a.labels, a.annotations, a.fingerprint) for a in read.alerts] == [
        (a["status"], a["labels"], a["annotations"], a["fingerprint"]) for a in sent["alerts"]
    ]
    assert [a.ends_at is None for a in read.alerts] == [a["status"] == "firing" for a in sent["alerts"]]
    assert read.truncated == sent["truncatedAlerts"]
    assert read.external_url == sent["externalURL"]


def test_only_the_status_of_each_alert_is_trusted() -> None:
    """A notification cut by `max_alerts` said `resolved` while an alert in it, or beyond it, was firing."""
    read = parse_notification(notification(alert(), status="resolved", commonLabels={"alertname": "Other"}))
    assert [a.status for a in read.alerts] == ["firing"]


def test_fields_of_newer_releases_are_accepted() -> None:
    newer = {**alert(), "routeLabels": {"a": "b"}, "notification_reason": "first"}
    read = parse_notification(notification(newer, notification_reason="first", routeLabels={}))
    assert len(read.alerts) == 1


@pytest.mark.parametrize("given", [{}, {"fingerprint": None}, {"fingerprint": ""}])
def test_a_missing_fingerprint_is_computed(given: dict[str, Any]) -> None:
    sent = alert()
    expected = sent.pop("fingerprint")
    assert parse_notification(notification({**sent, **given})).alerts[0].identity == expected


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("2026-11-21T07:51:48.249Z", 1795247508.249),
        ("2026-11-21T07:51:48.249123456Z", 1795247508.249123),
        ("2026-11-21T13:21:48.249+05:30", 1795247508.249),
    ],
)
def test_times_are_read_as_go_writes_them(text: str, unix: float) -> None:
    read = parse_notification(notification(alert(startsAt=text)))
    assert read.alerts[0].starts_at == pytest.approx(unix, abs=1e-6)


def test_no_annotations_may_be_null_as_go_spells_an_empty_map() -> None:
    assert parse_notification(notification(alert(annotations=None))).alerts[0].annotations == {}


DEEP: Any = json.loads("[" * 800 + "]" * 800)
MALFORMED = {
    "null": (None, "alert: "),
    "a list": ([], "alert: "),
    "deep": (DEEP, "alert: "),
    "no status": ({"labels": {"a": "b"}, "startsAt": "2026-11-21T07:51:48Z"}, "status: Field required"),
    "odd status": (alert(status="suppressed"), "status: "),
    "no labels": (alert({}), "labels: an alert has at least one label"),
    "labels null": (alert() | {"labels": None}, "labels: "),
    "a label that is a number": (alert() | {"labels": {"a": 1}}, "labels.a: "),
    "a label with half a character": (
        alert() | {"labels": {"a": "\ud800"}},
        "labels.a: Input should be a valid string, unable to parse raw data as a unicode string",
    ),
    "a label name with half a character": (alert() | {"labels": {"\ud800": "a"}}, "labels."),
    "a label name with a NUL": (alert() | {"labels": {"a\0b": 1}}, "labels.a b: "),
    "too many labels": (alert() | {"labels": {f"l{i}": "x" for i in range(MAX_LABELS + 1)}}, "labels: 129 labels"),
    "too long labels": (alert() | {"labels": {"a": "é" * (MAX_LABEL_BYTES // 2)}}, "labels: the labels are longer"),
    "no start": (alert(startsAt=None), "startsAt: "),
    "go's zero start": (alert(startsAt="0001-01-01T00:00:00Z"), "startsAt: "),
    "a start before our time": (alert(startsAt="0001-01-01T00:00:00+01:00"), "startsAt: a time lies between"),
    "a start after all time": (alert(startsAt="9999-12-31T23:59:59-14:00"), "startsAt: a time lies between"),
    "a start that is no number": (alert(startsAt=float("nan")), "startsAt: a time is text"),
    "a start that is a number": (alert(startsAt=10**400), "startsAt: a time is text"),
    "a start that is no time": (alert(startsAt="yesterday"), "startsAt: "),
}


@pytest.mark.parametrize(("raw", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_one_bad_alert_is_malformed_and_the_rest_is_taken(raw: Any, reason: str) -> None:
    good = alert({"alertname": "Good"})
    read = parse_notification(notification(good, raw, good))
    assert [a.labels for a in read.alerts] == [{"alertname": "Good"}] * 2
    (wrong,) = read.malformed
    assert wrong.reason.startswith(reason)
    assert "Value error" not in wrong.reason


ODD = {
    "no annotations": ({"annotations": None}, {}),
    "annotations that are none": ({"annotations": ["x"]}, {}),
    "an annotation that is none": ({"annotations": {"a": None, "b": 5, "c": "kept"}}, {"annotations": {"c": "kept"}}),
    "an annotation with half a character": ({"annotations": {"a": "\udfff", "\ud800": "b", "c": "d"}}, {"annotations": {"c": "d"}}),
    "a generator that is none": ({"generatorURL": None}, {"generator_url": ""}),
    "a generator that is a number": ({"generatorURL": 5}, {"generator_url": ""}),
    "an end that is no time": ({"endsAt": "tomorrow"}, {"ends_at": None}),
    "an end that is a number": ({"endsAt": 5}, {"ends_at": None}),
    "an end after all time": ({"endsAt": "9999-12-31T23:59:59-14:00"}, {"ends_at": None}),
    "an end in the year 1": ({"endsAt": "0001-01-01T00:00:00+01:00"}, {"ends_at": None}),
    "an end in the past": ({"endsAt": "2001-01-01T00:00:00Z"}, {"status": "firing"}),
    "an odd fingerprint": ({"fingerprint": "../../etc"}, {"identity": alert()["fingerprint"]}),
    "a fingerprint that is a number": ({"fingerprint": 5}, {"identity": alert()["fingerprint"]}),
    "a fingerprint with a NUL": ({"fingerprint": "a\0b"}, {"identity": alert()["fingerprint"]}),
    "much at once": ({"annotations": 1, "generatorURL": [], "endsAt": {}, "fingerprint": ""}, {"annotations": {}}),
}  # fmt: skip


@pytest.mark.parametrize(("odd", "kept"), ODD.values(), ids=ODD)
def test_what_nothing_depends_on_loses_no_alert(odd: dict[str, Any], kept: dict[str, Any]) -> None:
    read = parse_notification(notification(alert(starts_at=5.0) | odd))
    (found,) = read.alerts
    assert (read.malformed, found.starts_at, found.status) == ([], 5.0, "firing")
    assert {name: getattr(found, name) for name in kept} == kept


AROUND = ["receiver", "externalURL", "groupKey", "truncatedAlerts", "status", "commonLabels", "groupLabels"]


@pytest.mark.parametrize("value", [None, 5, -1, "\ud800", [], {}, True, "x" * 100_000, 10**400, 1.5])
def test_what_stands_around_the_alerts_loses_none(value: Any) -> None:
    read = parse_notification(notification(alert(), **dict.fromkeys(AROUND, value)))
    assert len(read.alerts) == 1
    read.external_url.encode()


def test_no_alerts_may_be_null_as_go_spells_an_empty_list() -> None:
    assert parse_notification(b'{"version": "4", "alerts": null}').alerts == []


def test_alerts_that_came_with_one_fingerprint_are_told_apart_by_their_labels() -> None:
    one, other = {"alertname": "A"}, {"alertname": "B"}
    sent = [alert(labels, fingerprint="0" * 16) for labels in (one, other, one)]
    read = parse_notification(notification(*sent, alert(other | {"x": "y"}, fingerprint="f" * 16)))
    assert [a.identity for a in read.alerts] == [fingerprint(one), fingerprint(other), fingerprint(one), "f" * 16]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\n\t ", b""])
def test_a_byte_order_mark_or_blanks_do_not_matter(mark: bytes) -> None:
    assert len(parse_notification(mark + notification(alert())).alerts) == 1


def test_of_a_key_that_stands_twice_the_last_one_counts() -> None:
    body = notification(alert()).replace(
        b'"status": "firing", "labels"', b'"status": "resolved", "status": "firing", "labels"'
    )
    assert [a.status for a in parse_notification(body).alerts] == ["firing"]


def test_what_is_kept_of_a_malformed_alert_is_bounded() -> None:
    read = parse_notification(notification({"labels": {"k" * 100_000: 1}, "junk": "x" * 1_000_000}))
    (wrong,) = read.malformed
    assert len(wrong.reason) <= 300
    assert len(wrong.subject) <= 2000


def test_of_very_many_that_are_malformed_so_many_are_kept_and_all_are_counted() -> None:
    read = parse_notification(notification(None, *range(3000), *[None] * 3000))
    assert len(read.malformed) == 6001
    assert len({id(each) for each in read.malformed}) == len(set(read.malformed)) == 1001
    assert read.malformed[-1] == read.malformed[0] != read.malformed[3000]
    assert read.malformed[3000].reason.startswith("over 1000 others")


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_a_hundred_thousand_mistakes_in_one_alert_are_not_all_written_down(field: str) -> None:
    """Each was an error of its own: a body of 32 MiB would have taken 3 GB."""
    body = notification(alert() | {field: {f"k{number}": number for number in range(100_000)}})
    tracemalloc.start()
    try:
        json.loads(body)
        plain = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        read = parse_notification(body)
        assert tracemalloc.get_traced_memory()[1] < 2 * plain
    finally:
        tracemalloc.stop()
    assert [len(read.malformed), len(read.alerts)] == ([1, 0] if field == "labels" else [0, 1])


NOT_PAYLOADS = {
    "empty": (b"", "the body is not JSON"),
    "text": (b"alert!", "the body is not JSON"),
    "not unicode": (b'{"version": "4", "alerts": ["\xff"]}', "the body is not JSON"),
    "nested without end": (b"[" * 1_000_000, "the body is not JSON"),
    "a list": (b"[]", "the body is a JSON list, not an object"),
    "null": (b"null", "the body is a JSON NoneType, not an object"),
    "no version": (b'{"alerts": []}', "version: "),
    "version 3": (b'{"version": "3", "alerts": []}', "version: "),
    "a number as version": (b'{"version": 4, "alerts": []}', "version: "),
    "no alerts": (b'{"version": "4"}', "alerts: "),
    "alerts that are none": (b'{"version": "4", "alerts": {}}', "alerts: "),
}


@pytest.mark.parametrize(("body", "why"), NOT_PAYLOADS.values(), ids=NOT_PAYLOADS)
def test_what_is_no_notification_is_refused_with_the_field_and_why(body: bytes, why: str) -> None:
    with pytest.raises(NotAPayloadError, match=f"^{why}"):
        parse_notification(body)


TEXTS = st.text(st.characters(codec=None), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
KEYS = ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"]
ALMOST = st.dictionaries(st.sampled_from(KEYS), JSON).map(lambda wrong: {**alert(), **wrong})
ENVELOPES = ["version", "alerts", "receiver", "externalURL", "groupKey", "truncatedAlerts", "commonLabels"]


def parsed_or_refused(body: bytes) -> None:
    try:
        read = parse_notification(body)
    except NotAPayloadError as refused:
        str(refused).encode()
        return
    for found in read.alerts:
        assert found.identity
        assert json.dumps(found.labels, ensure_ascii=False).encode()
    for wrong in read.malformed:
        assert wrong.reason.encode()
        assert wrong.subject.encode()


@given(st.lists(ALMOST | JSON, max_size=3))
def test_whatever_stands_in_alerts_is_taken_or_malformed(alerts: list[Any]) -> None:
    read = parse_notification(notification(*alerts))
    assert len(read.alerts) + len(read.malformed) == len(alerts)
    parsed_or_refused(notification(*alerts))


@given(st.dictionaries(st.sampled_from(ENVELOPES), JSON))
def test_whatever_stands_around_them_is_read_or_refused(wrong: dict[str, Any]) -> None:
    parsed_or_refused(notification(alert(), **wrong))


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    parsed_or_refused(body)


@given(st.binary(max_size=20), st.integers(0, 2000), st.sampled_from(BODIES))
def test_a_damaged_notification_is_read_or_refused(junk: bytes, at: int, file: Any) -> None:
    body = file.read_bytes()
    parsed_or_refused(body[:at] + junk + body[at + len(junk) :])
    parsed_or_refused(body[:at])
