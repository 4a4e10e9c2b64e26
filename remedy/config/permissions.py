"""Who else may read a secret or change a configuration: the modes of a file and of the folders above it.

A secret that every local user can read is none, and a configuration that others can write hands them what it starts.
"""

import stat
from pathlib import Path


def exposed(file: Path) -> str | None:
    """Say why a secret is not one: every local user can read it. None: only its owner and group can.

    Raises:
        OSError: the file cannot be looked at.
    """
    file = file.resolve()
    if not file.stat().st_mode & stat.S_IROTH:
        return None
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in file.parents):
        return None  # nobody else gets as far as the file
    return f"every user of this machine can read it: chmod o-r {file}"


def writable(file: Path) -> str | None:
    """Say who besides its owner may change a file, by itself or by its folders. None: nobody.

    A sticky folder such as /tmp is let pass: others may add to it, but not replace what is there.

    Raises:
        OSError: the file cannot be looked at.
    """
    file = file.resolve()
    for path in (file, *file.parents):
        mode = path.stat().st_mode
        if path != file and mode & stat.S_ISVTX:
            continue
        loose = "".join(who for who, bit in (("g", stat.S_IWGRP), ("o", stat.S_IWOTH)) if mode & bit)
        if loose:
            return f"others may write it: chmod {loose}-w {path}"
    return None
