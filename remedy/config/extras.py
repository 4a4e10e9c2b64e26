"""Libraries that only some need: imported when they are used; a missing one is named with what installs it."""

import importlib
from types import ModuleType


class MissingExtra(Exception):  # noqa: N818 - it reads as what it says
    """A library is not installed; the message names the extra that brings it."""


def require(module: str, extra: str) -> ModuleType:
    """Import a library of an extra.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtra(
            f"needs the library '{module}', which is not installed: pip install 'remediation-bridge[{extra}]'"
        ) from None
