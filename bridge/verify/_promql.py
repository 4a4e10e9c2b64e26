"""Which series a rule looks at: their names, read off its expression.

Not a parser: strings, ranges, selectors and label lists are cut out, and of what is left a name that is not called is a
metric. Grammar: https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

import re

_CUT = [
    re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|#[^\n]*', re.DOTALL),
    re.compile(r"\{[^}]*\}|\[[^\]]*\]"),
    re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\b\s*(?:\([^)]*\))?", re.IGNORECASE),
]
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:])(?!\s*\()")
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_UNLESS = re.compile(r"\bunless\b.*", re.IGNORECASE | re.DOTALL)
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "start", "end"})


def alternatives(expression: str) -> list[frozenset[str]]:
    """Return the metrics of each side of an `or`; what stands behind `unless` is better absent, so it is left out."""
    for noise in _CUT:
        expression = noise.sub(" ", expression)
    sides = [_UNLESS.sub("", side) for side in _OR.split(expression)]
    named = [frozenset(name for name in _NAME.findall(side) if name.lower() not in _WORDS) for side in sides]
    return [names for names in named if names]
