"""Matchers as Alertmanager writes them: `alertname="X"`, `severity=~"a|b"`, `!=`, `!~`; regexes are anchored.

A label that is absent counts as the empty string, as in Alertmanager.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from remedy.config.expressions import Expression

_FORM = re.compile(
    r'\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>"(?:[^"\\]|\\.)*"|[^"{}!=~,\\\s]*)\s*'
)


@dataclass(frozen=True)
class Matcher:
    """One condition on one label."""

    name: str
    op: str
    value: str
    expression: Expression | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the condition holds for these labels."""
        actual = labels.get(self.name, "")
        found = actual == self.value if self.expression is None else self.expression.whole(actual) is not None
        return found != self.op.startswith("!")

    def __str__(self) -> str:
        return f"{self.name}{self.op}{json.dumps(self.value, ensure_ascii=False)}"


def parse_matcher(text: str) -> Matcher:
    """Read one matcher.

    Raises:
        ValueError: it is not one; the message says what one looks like.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"""{text!r} is not a matcher such as alertname="X" or severity=~"a|b\"""")
    name, op, value = match["name"], match["op"], match["value"]
    if value.startswith('"'):
        value = re.sub(r"\\(.)", lambda m: {"n": "\n", '"': '"', "\\": "\\"}.get(m[1], m[0]), value[1:-1])
    if "~" not in op:
        return Matcher(name, op, value)
    try:
        return Matcher(name, op, value, Expression.of(value))
    except ValueError as error:
        raise ValueError(f"{text!r} holds a wrong regular expression: {error}") from None


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Tell whether every matcher holds."""
    return all(matcher.matches(labels) for matcher in matchers)


def first_miss(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> Matcher | None:
    """Return the first matcher that does not hold, for the explanation."""
    return next((matcher for matcher in matchers if not matcher.matches(labels)), None)
