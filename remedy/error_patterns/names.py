"""Names as labels and metrics take them, for whatever the file calls a thing; no two are the same."""

import re

from remedy.error_patterns.reading import Keys

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST = 60


class Names:
    """The names that are taken."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def noted(self, keys: Keys, given: str, word: str) -> str:
        """Return the name for a thing of the file; where it is another than the file's, that is noted."""
        name = self.take(given, word)
        if name != given:
            why = f"{given!r} is taken, or can be no label" if given else "it has no name of its own"
            keys.note(f"is called {name} here: {why}")
        return name

    def take(self, given: str, word: str) -> str:
        """Return a name, and keep it."""
        plain = _STRANGE.sub("_", given.strip()).strip("_.-")[:_LONGEST]
        plain = plain if plain[:1].isalpha() else f"{word}_{plain}".rstrip("_")
        name, number = plain, 1
        while name in self._taken:
            number += 1
            name = f"{plain}_{number}"
        self._taken.add(name)
        return name
