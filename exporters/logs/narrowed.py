"""The part of a regex that Hyperscan is told to look for: all of it, or what stands between its long runs.

Vectorscan 5.4, which the package `hyperscan` holds, misses lines on which a run of almost any bytes (`.*`, `[^"]*`) has
only two or three beside it: `left.*id` is not found in `left` with 30 blanks and `id` behind it, at the end of a block
or beside a pattern `id`. So a regex is cut at such runs, and of its parts the longest is looked for; `re` confirms.
"""

from collections.abc import Iterable, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from typing import Any

from exporters.logs.widened import REPEATS, Node, byte_set

_WIDE = 100
"""So many different bytes are almost any."""
_LONG = 16
"""A repetition of so many is a run."""
_BEFORE, _BEHIND = 3, 4
"""Bytes before the first run and behind each, with which nothing is missed."""


def narrowed(nodes: Sequence[Node]) -> list[Node]:
    """Return the part to look for: the nodes as they are where that is safe; none if nothing is left."""
    parts: list[list[Node]] = [[]]
    was_cut = False
    for node in nodes:
        if _is_run(node):
            parts.append([])
        elif (inner := _inner(node)) is None:
            parts[-1].append(node)
        else:
            parts += [inner, []]
            was_cut = True
    if not was_cut and (len(parts) == 1 or _are_long(parts)):
        return list(nodes)
    best = max(parts, key=_least)
    return best if _least(best) else []


def _are_long(parts: Sequence[Sequence[Node]]) -> bool:
    first, *others = map(_least, parts)
    return first >= _BEFORE and all(least >= _BEHIND for least in others)


def _inner(node: Node) -> list[Node] | None:
    """Return what to look for of a node with parts that have to be cut; None if they need not be."""
    sequences = _sequences(node)
    found = [narrowed(sequence) for sequence in sequences]
    if all(list(sequence) == each for sequence, each in zip(sequences, found, strict=True)):
        return None
    if node[0] in REPEATS and not node[1][0]:
        return []
    if node[0] is op.BRANCH:
        return [(op.BRANCH, (None, found))] if all(found) else []
    return found[0]


def _sequences(node: Node) -> list[Sequence[Node]]:
    kind, value = node
    if kind in REPEATS:
        return [value[2]]
    if kind is op.SUBPATTERN:
        return [value[3]]
    if kind is op.ATOMIC_GROUP:
        return [value]
    return list(value[1]) if kind is op.BRANCH else []


def _is_run(node: Node) -> bool:
    kind, value = node
    if kind in REPEATS:
        return (value[1] is op.MAXREPEAT or value[1] > _LONG) and _holds_wide(value[2])
    return kind in (op.GROUPREF, op.GROUPREF_EXISTS)  # which may be anything


def _holds_wide(nodes: Iterable[Node]) -> bool:
    for node in nodes:
        codes = byte_set(node)
        if (codes is not None and len(codes) >= _WIDE) or any(map(_holds_wide, _sequences(node))):
            return True
    return False


def _least(nodes: Iterable[Node]) -> int:
    """Return how many bytes it takes at least."""
    return sum(map(_least_of, nodes))


def _least_of(node: Node) -> int:
    kind, value = node
    if kind in REPEATS:
        return int(value[0]) * _least(value[2])
    if kind is op.BRANCH:
        return min((_least(branch) for branch in value[1]), default=0)
    sequences: list[Any] = _sequences(node)
    return sum(map(_least, sequences)) + (byte_set(node) is not None)
