"""Folders that ship with the project and hold no Python: beside the packages in a checkout, inside them in a wheel."""

from pathlib import Path


class NotShippedError(Exception):
    """A folder is not where the packages are; the message says where it was looked for."""


def shipped(name: str) -> Path:
    """Return a folder of the project, such as `monitoring`.

    Raises:
        NotShippedError: it is not there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / name, package / "shipped" / name):
        if folder.is_dir():
            return folder
    raise NotShippedError(f"{name} is neither beside nor inside {package}: install remediation-bridge anew")
