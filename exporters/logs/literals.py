"""The texts of which a line must hold at least one for a regex to match on it, case ignored."""

from collections.abc import Sequence
from itertools import product
from re import _constants as op  # type: ignore[attr-defined]

from exporters.logs.widened import Node

_MOST = 40
"""More texts than this in place of one regex are not worth looking for."""
_SHORTEST = 3
_ZERO_WIDTH = (op.AT, op.ASSERT, op.ASSERT_NOT)

Texts = frozenset[bytes]


def needed(nodes: Sequence[Node]) -> Texts | None:
    """Return such texts, in lower case; None if there are none that are long enough."""
    best: Texts | None = None
    for candidate in _candidates(nodes):
        if candidate and (best is None or _worth(candidate) > _worth(best)):
            best = candidate
    if best is None or _worth(best)[0] < _SHORTEST:
        return None
    return frozenset(text for text in best if not any(other in text for other in best - {text}))


def _worth(texts: Texts) -> tuple[int, int]:
    return min(map(len, texts)), -len(texts)


def _candidates(nodes: Sequence[Node]) -> list[Texts]:
    """Return sets of texts, any of which is needed: runs of what is fixed, and what the parts need by themselves."""
    found: list[Texts] = []
    run: Texts = frozenset([b""])
    for node in nodes:
        if node[0] in _ZERO_WIDTH:
            continue
        fixed = _fixed(node)
        longer = _joined(run, fixed) if fixed is not None else None
        if longer is not None:
            run = longer
            continue
        found.append(run)
        run = fixed if fixed is not None else frozenset([b""])
        if fixed is None and (inside := _inside(node)) is not None:
            found.append(inside)
    return [*found, run]


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


def _inside(node: Node) -> Texts | None:
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
        return frozenset(text for branch in branches if branch is not None for text in branch)
    return None
