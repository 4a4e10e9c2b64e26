"""A regex made wider and simpler, for engines that nominate lines which `re` then confirms.

What comes out matches on every line on which the original matches (and perhaps on more), never across lines, and is
written with nothing that Hyperscan and PCRE spell or mean in another way than Python: classes are spelt out byte by
byte, look-around, back references and possessives are left out or replaced by what they may stand for.

It is made from Python's own parse of the regex, so no text is read twice in two ways.
"""

from collections.abc import Iterable, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Node = tuple[Any, Any]
"""An operator of `re` with its arguments."""

_NEWLINE = ord("\n")
_LINE = frozenset(range(256)) - {_NEWLINE}
_DIGIT = frozenset(b"0123456789")
_SPACE = frozenset(b" \t\r\f\v")
_WORD = _DIGIT | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_CATEGORIES = {
    op.CATEGORY_DIGIT: _DIGIT,
    op.CATEGORY_NOT_DIGIT: _LINE - _DIGIT,
    op.CATEGORY_SPACE: _SPACE,
    op.CATEGORY_NOT_SPACE: _LINE - _SPACE,
    op.CATEGORY_WORD: _WORD,
    op.CATEGORY_NOT_WORD: _LINE - _WORD,
}
_PLACES = {
    op.AT_BEGINNING: "^",
    op.AT_BEGINNING_STRING: "^",
    op.AT_BOUNDARY: r"\b",
}
"""Without a line's end: beside other patterns, Hyperscan 5.4 misses some `$` before the last newline of a block."""
_ENDS = (op.AT_END, op.AT_END_STRING)
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def parse(regex: str, flags: int) -> list[Node]:
    """Return Python's own parse of a regex on bytes."""
    return list(_parser.parse(regex.encode(), flags))


def widened(nodes: Iterable[Node]) -> bytes:
    """Return the wider regex; empty if there is nothing to look for."""
    return _sequence(nodes).encode()


def is_exact(nodes: Iterable[Node]) -> bool:
    """Tell whether the wider regex matches on just the lines of the original, and where it ends is on that line.

    So nothing was left out or replaced, and a match has at least one byte: an empty one may end behind another line.
    """
    nodes = list(nodes)
    return all(_is_same(kind, value) for kind, value in nodes) and _takes_bytes(nodes)


def _is_same(kind: Any, value: Any) -> bool:
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        return all(_is_same(*node) for node in value[2])
    if kind is op.BRANCH:
        return all(_is_same(*node) for branch in value[1] for node in branch)
    if kind is op.SUBPATTERN:
        return not value[2] and all(_is_same(*node) for node in value[3])  # without `(?-i:…)`
    if kind is op.AT:
        return value in _PLACES
    return kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)


def _takes_bytes(nodes: Iterable[Node]) -> bool:
    return any(
        (kind in (op.MAX_REPEAT, op.MIN_REPEAT) and value[0] > 0 and _takes_bytes(value[2]))
        or (kind is op.BRANCH and all(_takes_bytes(branch) for branch in value[1]))
        or (kind is op.SUBPATTERN and _takes_bytes(value[3]))
        or kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
        for kind, value in nodes
    )


def following(nodes: Sequence[Node]) -> bytes:
    """Return the wider regex of what follows a place, without what may be left out at its end."""
    return _sequence(_trimmed_at(-1, nodes)).encode()


def byte_set(node: Node) -> frozenset[int] | None:
    """Return the bytes that a node for a single byte may be, case ignored; None for any other node."""
    kind, value = node
    if kind is op.LITERAL:
        return _both_cases([value]) & _LINE
    if kind is op.NOT_LITERAL:
        return _LINE - _both_cases([value])
    if kind is op.ANY:
        return _LINE
    return _class(value) if kind is op.IN else None


def _class(items: Sequence[Node]) -> frozenset[int]:
    found: set[int] = set()
    for kind, value in items:
        if kind is op.LITERAL:
            found.add(value)
        elif kind is op.RANGE:
            found |= set(range(value[0], value[1] + 1))
        elif kind is op.CATEGORY:
            found |= _CATEGORIES[value]
    closed = _both_cases(found)
    return _LINE - closed if items[0][0] is op.NEGATE else closed & _LINE


def _both_cases(codes: Iterable[int]) -> frozenset[int]:
    return frozenset(either for code in codes for either in (code, *bytes([code]).swapcase()))


def _sequence(nodes: Iterable[Node]) -> str:
    return "".join(_spelt(node) for node in nodes)


def _spelt(node: Node) -> str:  # noqa: PLR0911 - one return per kind of node
    kind, value = node
    codes = byte_set(node)
    if codes is not None:
        return _spelt_class(codes)
    if kind in REPEATS:
        least, most, inner = value
        many = f"{{{least},}}" if most is op.MAXREPEAT else f"{{{least},{most}}}"
        return f"(?:{_sequence(inner)}){many}"
    if kind is op.BRANCH:
        return f"(?:{'|'.join(_sequence(branch) for branch in value[1])})"
    if kind is op.SUBPATTERN:
        return f"(?:{_sequence(value[3])})"
    if kind is op.ATOMIC_GROUP:
        return f"(?:{_sequence(value)})"
    if kind is op.AT:
        return _PLACES.get(value, "")
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return ""
    return r"[^\n]*"  # a back reference, a condition on one, or what a later Python adds


def _spelt_class(codes: frozenset[int]) -> str:
    if codes == _LINE:
        return r"[^\n]"
    if not codes:
        return r"[^\x00-\xff]"
    ordered = sorted(codes)
    starts = [code for code in ordered if code - 1 not in codes]
    ends = [code for code in ordered if code + 1 not in codes]
    ranges = (f"\\x{a:02x}" + (f"-\\x{z:02x}" if z > a else "") for a, z in zip(starts, ends, strict=True))
    return f"[{''.join(ranges)}]"


def trimmed(nodes: Sequence[Node]) -> list[Node]:
    """Leave out what may be missing at either end: a match of the rest is on the same line."""
    return _trimmed_at(0, _trimmed_at(-1, nodes))


def _trimmed_at(end: int, nodes: Sequence[Node]) -> list[Node]:
    left = list(nodes)
    while left:
        shorter = _shortest(end, left[end])
        if shorter is not None:
            left[end] = shorter
            break
        del left[end]
    return left


def _shortest(end: int, node: Node) -> Node | None:
    """Return what is needed of a node at an end; None for nothing."""
    kind, value = node
    if kind in (op.ASSERT, op.ASSERT_NOT) or (kind is op.AT and value in _ENDS):
        return None
    if kind in REPEATS:
        least, _, inner = value
        return (op.MAX_REPEAT, (least, least, inner)) if least else None
    if kind is op.SUBPATTERN:
        return _branch(end, [value[3]])
    return _branch(end, value[1]) if kind is op.BRANCH else node


def _branch(end: int, branches: Iterable[Sequence[Node]]) -> Node | None:
    trimmed = [_trimmed_at(end, branch) for branch in branches]
    return (op.BRANCH, (None, trimmed)) if all(trimmed) else None
