"""Log lines as people may see them: bounded, as text, without what looks like a secret."""

import re

_LONGEST = 500
_SECRETS = re.compile(
    r"((?:password|passwd|pwd|secret|token|api[_-]?key|authorization|cookie)[\"']?\s*[:=]\s*[\"']?"
    r"(?:bearer |basic )?)[^\s\"',;&]+|(\b\w+://[^\s:/@]+:)[^\s@/]+(?=@)",
    re.IGNORECASE,
)


def shown(line: bytes) -> str:
    """Return a line for people."""
    text = line[: 4 * _LONGEST].decode("utf-8", "replace").replace("\0", "")
    cleaned = _SECRETS.sub(lambda found: f"{found[1] or found[2]}…", text)
    printable = "".join(char if char.isprintable() or char == "\t" else " " for char in cleaned)
    return printable[:_LONGEST] + ("…" if len(printable) > _LONGEST else "")
