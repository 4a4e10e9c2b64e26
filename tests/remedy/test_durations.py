"""Durations as Prometheus writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remedy.config.durations import format_duration, parse_duration

YEARS_292 = timedelta(days=292 * 365)


@given(st.timedeltas(min_value=timedelta(0), max_value=YEARS_292))
def test_what_is_written_is_read_as_the_same(value: timedelta) -> None:
    whole = timedelta(milliseconds=round(value / timedelta(milliseconds=1)))
    assert parse_duration(format_duration(whole)) == whole


@given(st.lists(st.integers(0, 999), min_size=7, max_size=7))
def test_writing_is_the_shortest_way_of_reading(counts: list[int]) -> None:
    text = "".join(f"{n}{unit}" for n, unit in zip(counts, ("y", "w", "d", "h", "m", "s", "ms"), strict=True) if n)
    if counts[0] > 250:
        return
    value = parse_duration(text or "0")
    assert parse_duration(format_duration(value)) == value
    assert len(format_duration(value)) <= len(text or "0s") + 6, "units carry over; no more of them than there are"


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("30s", 30, "30s"),
        ("5m", 300, "5m"),
        ("1h30m", 5400, "1h30m"),
        ("90s", 90, "1m30s"),
        ("1d", 86400, "1d"),
        ("7d", 604800, "1w"),
        ("90d", 7776000, "90d"),
        ("1y", 31536000, "1y"),
        ("1500ms", 1.5, "1s500ms"),
        ("0", 0, "0s"),
        (0, 0, "0s"),
        ("0s", 0, "0s"),
    ],
)
def test_examples(text: object, seconds: float, written: str) -> None:
    assert parse_duration(text).total_seconds() == seconds
    assert format_duration(parse_duration(text)) == written


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", ""),
        ("5", "did you mean '5s'?"),
        (5, "did you mean '5s'?"),
        ("5 m", ""),
        ("-5m", ""),
        ("1.5h", ""),
        ("5M", ""),
        ("30m1h", ""),
        ("1m1m", ""),
        ("5m ", ""),
        ("٣s", ""),
        (False, ""),
        (True, ""),
        (None, ""),
        (["5m"], ""),
        ("300y", "292y is the most"),
        ("999999999y", "292y is the most"),
        ("9" * 500 + "s", ""),
    ],
)
def test_what_is_no_duration_is_told(text: object, hint: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration such as 30s, 5m or 1h30m|is too long") as refused:
        parse_duration(text)
    assert hint in str(refused.value)
    assert len(str(refused.value)) < 150
