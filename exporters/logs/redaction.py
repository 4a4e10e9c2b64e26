"""Log lines as people may see them: bounded, as text, without what looks like a secret."""

import re

MOST_BYTES = 2000
"""Of a line that are worth keeping for people."""
_LONGEST = 500
_NAME = (
    r"(?:pass(?:word|wd|phrase)|(?<=_)pass|pwd|secret|token|credentials?|(?:api|access|private)[_-]?key|session[_-]?id"
    r"|authorization|cookie)"
)
_VALUE = r"(?P<value>\\?\"[^\"]*\"?|'[^']*'?|[^\s\"',;&]+)"
_SECRETS = re.compile(
    rf"(?P<name>{_NAME}[a-z0-9_-]{{0,30}}\\?[\"']?\s*[:=]\s*(?:bearer |basic |token )?){_VALUE}"
    rf"|(?P<option>--[a-z-]{{0,30}}{_NAME}[a-z-]{{0,30}}\s+)(?P<of_option>\S+)"
    r"|(?P<user>\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,256}:)(?P<of_user>[^\s@/]{1,256})(?=@)"
    r"|(?P<known>\b(?:gh[opsu]_\w{20,255}|github_pat_\w{20,255}|glpat-[\w-]{20,64}|xox[abps]-[\w-]{10,255}|AKIA\w{16})"
    r"|\beyJ[\w-]{5,2000}\.[\w-]{5,2000}\.[\w-]{0,2000})",
    re.IGNORECASE,
)
"""A name of a secret with its value; an option with one; the password in a URL; tokens of a well-known form."""


def shown(line: bytes) -> str:
    """Return a line for people."""
    text = line[:MOST_BYTES].decode("utf-8", "replace").replace("\0", "")
    cleaned = _SECRETS.sub(_without, text)
    printable = "".join(char if char.isprintable() or char == "\t" else " " for char in cleaned)
    return printable[:_LONGEST] + ("…" if len(printable) > _LONGEST or len(line) > MOST_BYTES else "")


def _without(found: re.Match[str]) -> str:
    before = found["name"] or found["option"] or found["user"] or ""
    quote = re.match(r"\\?[\"']", found["value"] or "")
    if quote is None:
        return f"{before}…"
    return f"{before}{quote[0]}…{quote[0]}"
