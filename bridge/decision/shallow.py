"""JSON that Python's reader gives up on: what is nested too deeply, or a number of thousands of digits, is left out.

So one mad alert does not take the sound ones beside it along.
"""

import re

_DEEPEST = 32
"""Levels; a notification has four."""
_LONGEST = 2 * 1024 * 1024
"""Bytes that are looked through; a second of work at most."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]|-?\d{301,}(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL)


def without_depths(body: bytes) -> str:
    """Return the text with `null` in the place of what is too deep or too long a number; it may be no JSON at all.

    Raises:
        ValueError: it is too long to be looked through, or no text.
    """
    if len(body) > _LONGEST:
        raise ValueError("nested too deeply, and too long to look for what is not")
    text = body.decode()
    kept, depth, since = list[str](), 0, 0
    for token in _TOKEN.finditer(text):
        opens, closes = token[0] in "[{", token[0] in "]}"
        depth += opens
        if (opens and depth == _DEEPEST + 1) or (token[0][0] in "-0123456789" and depth <= _DEEPEST):
            kept += (text[since : token.start()], "null")
            since = token.end()
        elif closes and depth == _DEEPEST + 1:
            since = token.end()
        depth -= closes
    return "".join([*kept, text[since:]])
