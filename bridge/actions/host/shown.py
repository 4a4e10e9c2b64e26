"""Texts from outside as one line of a record: nothing in them passes for something else, and no name is harmed."""

import unicodedata

_JOINERS = "\u200c\u200d"
"""Without them names in several scripts, and emoji made of others, fall apart; they hide and turn nothing."""


def shown(text: str) -> str:
    """Spell what is not seen, what turns the direction of writing, and what no encoding takes, as `\\n` or `\\x1b`."""
    return "".join(char if _is_seen(char) else _spelled(char) for char in text)


def _is_seen(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _spelled(char: str) -> str:
    if char == "\n":
        return "\\n"
    code = ord(char)
    byte = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code  # noqa: PLR2004 - how Python spells a byte of no UTF-8
    return f"\\x{byte:02x}" if byte < 0x100 else f"\\u{byte:04x}"  # noqa: PLR2004 - what fits into two digits
