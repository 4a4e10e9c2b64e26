"""Make what the containers share in secret: Alertmanager's token, and the password of the bridge's `operator`.

`python make_secrets.py TOKEN_FILE OPERATOR_FOLDER`. What is there already stays. The files are for their owner and its
group; nothing of them is ever printed.
"""
# ruff: noqa: INP001 - a script by itself, mounted into a container

import os
import secrets
import sys
from pathlib import Path

import bcrypt


def secret(file: Path) -> str:
    """Return the secret that a file holds, made now if there is none."""
    if not file.exists():
        write(file, secrets.token_hex(32))
    return file.read_text(encoding="ascii")


def write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="ascii") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
    print(f"{file}: made")


def main(token: Path, operator: Path) -> None:
    """Make what is missing."""
    secret(token)
    operator.mkdir(mode=0o750, exist_ok=True)
    password = secret(operator / "password")
    users = operator / "web-config.yml"
    if not users.exists():
        digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()
        write(users, f"basic_auth_users: {{operator: '{digest}'}}\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
