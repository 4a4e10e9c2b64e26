"""A file named PAUSE beside the ledger pauses everything while it is there; its first line is the reason."""

from pathlib import Path

from bridge.decision.facts import Pause

NAME = "PAUSE"
_LONGEST = 1000


class PauseFile:
    """The file beside one ledger."""

    def __init__(self, ledger: Path) -> None:
        self._file = ledger.with_name(NAME)

    def read(self) -> Pause | None:
        """Return the pause that the file asks for; a file that cannot be read pauses too."""
        try:
            with self._file.open(encoding="utf-8", errors="replace") as file:
                reason = file.readline(_LONGEST).strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
        return Pause("", f"{self._file} is there{f': {reason}' if reason else ''}", None)
