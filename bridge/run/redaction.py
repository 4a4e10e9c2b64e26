"""Takes secrets out of what steps print before it reaches the ledger: known forms, and nothing clever."""

import re

_NAME = r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
_VALUE = r"(\"[^\"]*\"|'[^']*'|\S+)"
_FORMS = [
    re.compile(rf"(?i)({_NAME}[a-z0-9_]{{0,30}})([\"']?\s*[:=]\s*){_VALUE}"),
    re.compile(rf"(?i)(--[a-z-]{{0,30}}{_NAME}[a-z-]{{0,30}})(\s+){_VALUE}"),
    re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?)(bearer|basic|token)(\s+)[^\s\"']+"),
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,256}:)([^\s@/]{1,256})(@)"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
]
"""Every repetition is bounded or cannot overlap with what follows: 64 KiB of anything take milliseconds."""
_MAY_HOLD_SECRET = re.compile("[:=]|--")
"""No form of a secret is without these."""
_SHOWN = (r"\1\2<redacted>", r"\1\2<redacted>", r"\1\2\3<redacted>", r"\1<redacted>\3", "<redacted private key>")


def redact(text: str) -> str:
    """Return the text with what looks like a secret taken out."""
    if not _MAY_HOLD_SECRET.search(text):
        return text
    for form, shown in zip(_FORMS, _SHOWN, strict=True):
        text = form.sub(shown, text)
    return text
