"""Both engines give what `re` gives line by line, for the patterns that ship and for any others."""

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.logs.catalogue import read_folder
from exporters.logs.engine import Engine
from exporters.logs.engines import EngineChoice, make_engine
from exporters.logs.hyper import HyperscanEngine
from exporters.logs.pattern import FLAGS, LogPattern
from exporters.logs.plain import PlainEngine

SHIPPED = read_folder()
EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "120"))
ENGINES = [PlainEngine, HyperscanEngine]


def specification(patterns: list[LogPattern], block: bytes) -> dict[int, list[tuple[int, int]]]:
    hits: dict[int, list[tuple[int, int]]] = {}
    start = 0
    for line in block.split(b"\n"):
        for index, pattern in enumerate(patterns):
            if re.search(pattern.regex.encode(), line, FLAGS):
                hits.setdefault(index, []).append((start, start + len(line)))
        start += len(line) + 1
    return hits


def pattern(regex: str) -> LogPattern | None:
    try:
        return LogPattern(id="x", name="x", regex=regex, severity="info")
    except ValueError:
        return None


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda shipped: shipped.id)
@pytest.mark.parametrize("make", ENGINES)
def test_samples(shipped: LogPattern, make: type[Engine]) -> None:
    """Loading has checked the samples with `re`; here each engine does, in one block with all of them."""
    lines = [*shipped.matches, *shipped.ignores]
    assert min(len(shipped.matches), len(shipped.ignores)) >= 2
    block = "".join(f"{line}\n" for line in lines).encode()
    assert len(make([shipped]).scan(block).get(0, [])) == len(shipped.matches)


def test_the_twelve() -> None:
    assert sum(shipped.builtin for shipped in SHIPPED) == 12
    assert len(SHIPPED) == 16


ATOM_TEXTS = (
    r"a b Error disk \s \S \d \w \W . [^x] [a-f] [^\d\n] \b ^ $ \Z \A \B (?=b) (?!a) (?<=a) \. \[ é \x00 []x] [\s-]"
    r" (?:) a{,3} {,3} [[:alpha:]] (?i:E) (?-i:E) (?>ab|a) (?<!a) (?!) (?s:.) (?m:^) (?m:$) (?x:a#b) (a)?(?(1)b|x)"
    r" (e)\1 (?P<n>a|E)(?P=n) \n \012 [\n] [^\n] [\x00-\xff] a{2,3} a{2}+ (?:a|)b \x1b\[31m [\r\n]* (?:^|a) $a \t* .*"
    r" (?:error|disk)+ (?:.*disk) [^a]$ ^[^a] \Aa a\Z \xff .{2}"
)
ATOMS = st.sampled_from([" ", *ATOM_TEXTS.split()])
QUANTIFIERS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "++", "?+"])


@st.composite
def regexes(draw: st.DrawFn, depth: int = 2) -> str:
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.sampled_from(["atom", "atom", "atom", "group", "branch"])) if depth else "atom"
        if shape == "atom":
            part = draw(ATOMS)
        elif shape == "group":
            part = f"({draw(regexes(depth=depth - 1))})"
        else:
            part = f"(?:{draw(regexes(depth=depth - 1))}|{draw(regexes(depth=depth - 1))})"
        parts.append(part + draw(QUANTIFIERS))
    return "".join(parts)


FLAGGED = st.tuples(st.sampled_from(["", "", "", "(?i)", "(?s)", "(?m)", "(?a)"]), regexes()).map("".join)


PIECES = [
    b"a",
    b"b",
    b"A",
    b"x",
    b"error",
    b"ERROR",
    b"disk",
    b"full",
    b" ",
    b"\t",
    b"\r",
    b"1",
    b".",
    b"[",
    b"\0",
    b"\xff",
]
LINES = st.lists(
    st.lists(
        st.sampled_from([*PIECES, b"\xc3\xa9", b"\x0b", b"_", b"E", b"e", b"{,3}", b"\x1b[31m", b"\x85", b" " * 40]),
        max_size=8,
    ).map(b"".join),
    max_size=8,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(FLAGGED, min_size=1, max_size=4), LINES, st.booleans())
def test_any_patterns_on_any_lines(made: list[str], lines: list[bytes], ended: bool) -> None:
    patterns = [found for regex in made if (found := pattern(regex)) is not None]
    block = b"\n".join(lines) + (b"\n" if ended else b"")
    expected = specification(patterns, block)
    for make in ENGINES:
        assert make(patterns).scan(block) == expected, make.__name__


@pytest.mark.parametrize(
    ("regex", "counted"),
    [
        (r"^error.*$", 2),
        (r"error x*$", 1),
        (r"connection lost$", 1),
        (r"rejected\.?\Z", 2),
        (r"rejected\n", 0),
        (r"rejected[\n.]", 1),
        (r"\Aconnection", 1),
        (r"(con)nection.*\1nection", 1),
        (r"(?<!no )error", 2),
    ],
)
@pytest.mark.parametrize("make", ENGINES)
def test_places_and_what_hyperscan_has_not(make: type[Engine], regex: str, counted: int) -> None:
    block = b"error xx\nconnection to a connection lost\nrejected\nit was rejected.\nError: no error in it\n"
    found = pattern(regex)
    assert found is not None
    expected = specification([found], block)
    assert len(expected.get(0, [])) == counted
    assert make([found]).scan(block) == expected


_BLANKS = b" " * 56
MISSED = [
    (["disk", "OOM$", "id"], [_BLANKS + b"OOM"]),
    (["left.*id", "id"], [b"left_kill" + _BLANKS + b"id_redis", b"no space"]),
    (["cert.*ab", r"ab\Z"], [b"error_cert" + _BLANKS + b"ab_", b"ab"]),
    (["left.*5xx", "x"], [b"left" + _BLANKS + b"5xx", b"y"]),
    (['(?:foo|[^"])*id|ab[^ ]+id', "id"], [b"ab" + b"z" * 40 + b"id" + _BLANKS]),
    ([r"(left)(.*)id\1?", "id"], [b"left" + _BLANKS + b"id"]),
    (["cert|5xx", "x full", r"full\s+id", r"x\b", "^left", "kill"], [b"cert" + _BLANKS + b"redis kill"]),
]
"""Patterns and lines of which Hyperscan itself misses some; each of them matches somewhere."""


@pytest.mark.parametrize(("regexes", "lines"), MISSED, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n" + b"y" * 80], ids=["cut off", "ended", "going on"])
@pytest.mark.parametrize("make", ENGINES)
def test_what_hyperscan_misses(make: type[Engine], end: bytes, regexes: list[str], lines: list[bytes]) -> None:
    patterns = [found for regex in regexes if (found := pattern(regex))]
    block = b"\n".join(lines) + end
    expected = specification(patterns, block)
    assert expected
    assert make(patterns).scan(block) == expected


def test_the_shipped_ones_need_no_confirming() -> None:
    """`re` takes quadratic time for `SSL.*certificate` on a line that an attacker may have written."""
    assert all(HyperscanEngine(SHIPPED)._exact)


SAMPLES = [sample for shipped in SHIPPED for sample in [*shipped.matches, *shipped.ignores]]
WORDS = st.sampled_from([word for sample in SAMPLES for word in re.split(r"(\W+)", sample) if word])


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=12).map("".join), max_size=30))
def test_shipped_patterns_on_shuffled_samples(lines: list[str]) -> None:
    block = "\n".join(lines).encode()
    expected = specification(SHIPPED, block)
    for make in ENGINES:
        assert make(SHIPPED).scan(block) == expected, make.__name__


@pytest.mark.parametrize("choice", [EngineChoice.RE, EngineChoice.HYPERSCAN])
def test_our_own_lines_are_left_out(choice: EngineChoice) -> None:
    block = (
        b"remedy[8]: ENOSPC\nENOSPC\nx remedy-bridge[8]: ENOSPC Traceback:\na remedy: ENOSPC\nremedy exporter: fine\n"
    )
    hits = make_engine([shipped for shipped in SHIPPED if shipped.builtin], choice).scan(block)
    assert [block[slice(*span)] for spans in hits.values() for span in spans] == [b"ENOSPC", b"a remedy: ENOSPC"]


def test_a_block_with_too_many_events_is_still_counted_right() -> None:
    patterns = [found for regex in ("e.*x", "a+") if (found := pattern(regex))]
    block = b"e" + b"x" * 100_000 + b"\n" + b"a" * 100_000 + b"\nnone\n"
    assert HyperscanEngine(patterns).scan(block) == specification(patterns, block)
