"""What stands for an action of the file: steps, and what an allow-list must name for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remedy.error_patterns import values
from remedy.error_patterns.databases import Databases
from remedy.error_patterns.place import Place
from remedy.error_patterns.reading import Keys


@dataclass(frozen=True)
class Wanted:
    """A step that stands for an action of the file."""

    action: str
    fields: Mapping[str, Any]
    needs: Mapping[str, list[Any]] = field(default_factory=dict)
    """What `allow:` must name for it."""


@dataclass(frozen=True)
class Source:
    """One action of the file, with what it may refer to."""

    keys: Keys
    place: Place
    databases: Databases
    logs: tuple[Path, ...] = ()
    """The logs that are read for errors."""
    rotate_mb: float = 10.0
    """A log is rotated when it is larger than this, unless its action says another size."""

    def paths(self, *names: str, default: tuple[str, ...] = ()) -> list[Path]:
        """Return the paths of a key; those that no allowed root holds are noted and left out if others are left."""
        found = list(self._placed(self.keys.get(values.texts, *names, default=list(default))))
        within = [path for path in found if not self.place.outside(path)]
        for path in found if within else []:
            if path not in within:
                self.note_outside(path)
        return list(dict.fromkeys(within or found))

    def _placed(self, texts: list[str]) -> Iterator[Path]:
        for text in texts:
            try:
                yield self.place.path(text)
            except ValueError as wrong:
                self.keys.note(f"{text!r} is left out: {wrong}")

    def emptied(self, paths: list[Path]) -> list[Path]:
        """Return the folders that may be emptied; one that holds the application, or what is ours, is noted."""
        for path in paths:
            if self.place.holds_ours(path):
                self.keys.note(
                    f"{path} is left out: it holds the application, {self.place.config.name} or our own state"
                )
        return [path for path in paths if not self.place.holds_ours(path)]

    def note_outside(self, path: Path) -> None:
        """Say that a path is left out, and what would let it in."""
        root = path.parent if "*" in path.name else path
        line = f"add to {self.place.extra}: allow: {{roots: [{root}]}}"
        self.keys.note(f"{path} is left out: no allowed root holds it; {line}")


def roots(paths: list[Path]) -> dict[str, list[Any]]:
    """Return what must be allowed for paths."""
    return {"roots": [str(path) for path in paths]}


def roots_above(paths: list[Path]) -> dict[str, list[Any]]:
    """Return what must be allowed where paths themselves are changed or made: no step does that to a root."""
    return {"roots": list(dict.fromkeys(str(path.parent) for path in paths))}


def strings(paths: list[Path]) -> list[str]:
    """Spell paths."""
    return [str(path) for path in paths]
