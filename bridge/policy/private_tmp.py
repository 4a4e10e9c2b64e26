"""Under systemd's `PrivateTmp=` the /tmp that we see is an empty one of our own: cleaning it would clean nothing."""

from pathlib import Path

_REPLACED = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - these are what it replaces
_MARK = "/systemd-private-"
"""In what is mounted there, as systemd.exec(5) makes it."""


def replaced(mounts: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """Return the folders that are not the machine's own; `mounts` is as proc(5) describes it."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    mounted = [line.split()[3:5] for line in lines]
    return [folder for folder in _REPLACED if any(at == str(folder) and _MARK in root for root, at in mounted)]
