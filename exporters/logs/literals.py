"""The texts of which a line must hold at least one for a regex to match on it, case ignored."""

from collections.abc import Iterator, Sequence
from itertools import product
from re import _constants as op  # type: ignore[attr-defined]
from typing import NamedTuple

from exporters.logs.widened import Node, following

_MOST = 40
"""More texts than this in place of one regex are not worth looking for."""
_SHORTEST = 3
_ZERO_WIDTH = (op.AT, op.ASSERT, op.ASSERT_NOT)

Texts = frozenset[bytes]


class Needle(NamedTuple):
    """A text to look for, and what is known of what follows it."""

    text: bytes
    """In lower case."""
    rest: bytes
    """A regex for what comes right behind it on its line; empty if that may be anything."""


def needed(nodes: Sequence[Node]) -> frozenset[Needle] | None:
    """Return such texts; None if there are none that are long enough."""
    best: frozenset[Needle] | None = None
    for candidate in _candidates(nodes):
        if candidate and (best is None or _worth(candidate) > _worth(best)):
            best = candidate
    if best is None or _worth(best)[0] < _SHORTEST:
        return None
    return frozenset(_shortest(best))


def _shortest(needles: frozenset[Needle]) -> Iterator[Needle]:
    """Leave out those that hold another one; what follows the other one is then unknown."""
    texts = {needle.text for needle in needles}
    for text in texts:
        if not any(other in text for other in texts - {text}):
            holders = any(text in other for other in texts - {text})
            yield from {Needle(text, b"" if holders else each.rest) for each in needles if each.text == text}


def _worth(needles: frozenset[Needle]) -> tuple[int, int]:
    return min(len(needle.text) for needle in needles), -len(needles)


def _candidates(nodes: Sequence[Node]) -> list[frozenset[Needle]]:
    """Return sets of texts, any of which is needed: runs of what is fixed, and what the parts need by themselves."""
    found: list[frozenset[Needle]] = []
    run: Texts = frozenset([b""])
    for index, node in enumerate(nodes):
        if node[0] in _ZERO_WIDTH:
            continue
        fixed = _fixed(node)
        longer = _joined(run, fixed) if fixed is not None else None
        if longer is not None:
            run = longer
            continue
        found.append(_needles(run, nodes[index:]))
        run = fixed if fixed is not None else frozenset([b""])
        if fixed is None and (inside := _inside(node)) is not None:
            found.append(inside)
    return [*found, _needles(run, ())]


def _needles(run: Texts, rest: Sequence[Node]) -> frozenset[Needle]:
    return frozenset(Needle(text, following(rest)) for text in run)


def _joined(left: Texts, right: Texts) -> Texts | None:
    if len(left) * len(right) > _MOST:
        return None
    return frozenset(one + other for one, other in product(left, right))


def _fixed(node: Node) -> Texts | None:
    """Return all the texts that a node can match, if they are few."""
    kind, value = node
    if kind is op.LITERAL:
        return frozenset([bytes([value]).lower()])
    if kind is op.SUBPATTERN:
        return _fixed_sequence(value[3])
    if kind is op.BRANCH:
        branches = [_fixed_sequence(branch) for branch in value[1]]
        texts = [text for branch in branches if branch is not None for text in branch]
        return frozenset(texts) if all(branch is not None for branch in branches) and len(texts) <= _MOST else None
    if kind is op.MAX_REPEAT and value[:2] == (0, 1):
        inner = _fixed_sequence(value[2])
        return inner | {b""} if inner is not None else None
    return None


def _fixed_sequence(nodes: Sequence[Node]) -> Texts | None:
    texts: Texts = frozenset([b""])
    for node in nodes:
        fixed = frozenset([b""]) if node[0] in _ZERO_WIDTH else _fixed(node)
        joined = _joined(texts, fixed) if fixed is not None else None
        if joined is None:
            return None
        texts = joined
    return texts


def _inside(node: Node) -> frozenset[Needle] | None:
    """Return the texts that a node with parts needs."""
    kind, value = node
    if kind is op.SUBPATTERN:
        return needed(value[3])
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return needed(value[2]) if value[0] else None
    if kind is op.ATOMIC_GROUP:
        return needed(value)
    if kind is op.BRANCH:
        branches = [needed(branch) for branch in value[1]]
        if any(branch is None for branch in branches):
            return None
        return frozenset(needle for branch in branches if branch is not None for needle in branch)
    return None
