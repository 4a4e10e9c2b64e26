"""What an expression asks of whom: metrics, and the labels that each must have for the expression to make sense."""

from collections.abc import Iterator
from typing import NamedTuple

import promql_parser as promql

NONE: frozenset[str] = frozenset()


class Use(NamedTuple):
    """One metric in an expression, with the labels that the expression needs of it."""

    metric: str
    labels: frozenset[str]
    equals: frozenset[tuple[str, str]] = frozenset()
    """The (label, value) pairs that a sample must have."""


def uses(expression: str) -> list[Use]:
    """Return every use of a metric, from left to right.

    Raises:
        ValueError: it is no PromQL.
    """
    return list(_uses(promql.parse(expression), NONE))


def result_labels(expression: str) -> frozenset[str] | None:
    """Return the labels that a `by (...)` at the top leaves; None: the result has those of its first metric."""
    node = promql.parse(expression)
    while True:
        if isinstance(node, promql.BinaryExpr):
            node = node.lhs
        elif isinstance(node, promql.ParenExpr):
            node = node.expr
        elif isinstance(node, promql.Call) and node.func.name == "histogram_quantile":
            return (_by(node.args[1]) or NONE) - {"le"}
        else:
            return _by(node)


def _uses(node: promql.Expr, needed: frozenset[str]) -> Iterator[Use]:
    match node:
        case promql.VectorSelector():
            matchers = node.matchers.matchers
            equals = {(each.name, each.value) for each in matchers if each.op == promql.MatchOp.Equal}
            yield Use(node.name, needed | {each.name for each in matchers}, frozenset(equals))
        case promql.MatrixSelector():
            yield from _uses(node.vector_selector, needed)
        case promql.AggregateExpr():
            yield from _uses(node.expr, _by(node) or NONE)
        case promql.BinaryExpr():
            yield from _both_sides(node, needed)
        case promql.Call():
            for argument in node.args:
                yield from _uses(argument, needed)
        case promql.ParenExpr() | promql.SubqueryExpr() | promql.UnaryExpr():
            yield from _uses(node.expr, needed)


def _both_sides(node: promql.BinaryExpr, needed: frozenset[str]) -> Iterator[Use]:
    matching = node.modifier.matching if node.modifier else None
    on = frozenset(matching.labels) if matching and matching.type == promql.LabelModifierType.Include else NONE
    borrowed = frozenset(node.modifier.group_labels or ()) if node.modifier else NONE
    yield from _uses(node.lhs, (needed - borrowed) | on)
    yield from _uses(node.rhs, on | borrowed)


def _by(node: promql.Expr) -> frozenset[str] | None:
    """Return the labels of an aggregation; None for what is none, or is one `without`."""
    if not isinstance(node, promql.AggregateExpr):
        return None
    if node.modifier is None:
        return NONE
    return frozenset(node.modifier.labels) if node.modifier.type == promql.AggModifierType.By else None
