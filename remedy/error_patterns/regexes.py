"""The daemon searched text; here bytes are searched, for speed. What meant the same is written so that it does."""

import re

_FLAGS = re.compile(r"\(\?([aiLmsux]+)\)")
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|.)", re.DOTALL)
_ANY_CASE = "aimsx"
"""Flags that bytes know. Text's own `u` says nothing there, and case is ignored anyway."""
_SET = re.compile(r"\\.|\[(?P<not>\^?)(?P<inner>\]?(?:\\.|[^\]\\])*)\]|(?P<repeated>[^\x00-\x7f])(?=[*+?{])", re.DOTALL)


def for_bytes(regex: str) -> str:
    r"""Return a regex that finds in UTF-8 what the given one finds in text.

    Flags may stand anywhere, as old Pythons let them; `\u3042` is the letter; `[あい]` is one letter or the other, and
    `あ?` is the whole letter or nothing.

    Raises:
        ValueError: it has a set of letters beyond ASCII that cannot be written in bytes; the message says so.
    """
    spelt = _ESCAPED.sub(_letter, regex)
    flags = "".join(flag for flag in _ANY_CASE if any(flag in each for each in _FLAGS.findall(spelt)))
    return (f"(?{flags})" if flags else "") + _SET.sub(_alternatives, _FLAGS.sub("", spelt))


def _letter(escape: re.Match[str]) -> str:
    number = escape[1] or escape[2]
    if number is None:
        return escape[0]
    try:
        return re.escape(chr(int(number, 16)).encode("utf-8").decode("utf-8"))
    except (ValueError, OverflowError):
        raise ValueError(f"{escape[0]} is no letter") from None


def _alternatives(found: re.Match[str]) -> str:
    """Write letters that are several bytes each so that they are taken whole; what is ASCII stays."""
    inner = found["inner"]
    if found["repeated"]:
        return f"(?:{found['repeated']})"
    if inner is None or inner.isascii():
        return found[0]
    letters = re.findall(r"\\.|[^\\]", inner)
    if found["not"] or any(not each.isascii() for each in re.findall(r".-|-.", inner)):
        raise ValueError(f"{found[0]} has letters of several bytes: name them one by one, as in (?:あ|い)")
    beyond = [each for each in letters if not each.isascii()]
    within = "".join(each for each in letters if each.isascii())
    return f"(?:{'|'.join([*beyond, *([f'[{within}]'] if within else [])])})"
