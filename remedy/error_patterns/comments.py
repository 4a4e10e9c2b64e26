"""JSON as people keep it: with comments, and with a comma behind the last entry."""

import re

_PARTS = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_BEGINS = re.compile(r"\s*(?:\{|\[|//|/\*)")


def without_comments(text: str) -> str:
    """Blank out `//` and `/* */` outside texts; every line stays where it is. What is no JSON stays as it is."""
    return _PARTS.sub(_blank, text) if _BEGINS.match(text) else text


def _blank(part: re.Match[str]) -> str:
    found = part[0]
    return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)
