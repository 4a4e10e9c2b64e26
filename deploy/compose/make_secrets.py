"""Make the secrets that containers share, each in a file of its own; those that are there already are left alone.

`python make_secrets.py FILE...`. The files are for their owner and its group; nothing of them is ever printed.
"""
# ruff: noqa: INP001 - a script by itself, mounted into a container

import os
import secrets
import sys
from pathlib import Path


def make(file: Path) -> bool:
    """Make one secret, whole or not at all; tell whether it was missing."""
    if file.exists():
        return False
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="ascii") as out:
        out.write(secrets.token_hex(32))
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
    return True


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {'made' if make(Path(name)) else 'is there already'}")
