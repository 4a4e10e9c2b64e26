"""Where log patterns come from: files that ship, files in a folder of the user's, and `log_patterns.add`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from exporters.logs.pattern import LogPattern
from remedy.config.problems import did_you_mean
from remedy.config.yamlfile import read_yaml

BUILTIN = "builtin"
"""In `use`: all that ship and are on by default."""
_SHIPPED = Path(__file__).parent.parent / "patterns"


def read_folder(folder: Path = _SHIPPED) -> list[LogPattern]:
    """Read every pattern file of a folder, by default those that ship, sorted by id.

    Raises:
        ConfigError: what is wrong with one of them.
    """
    documents = [read_yaml(file) for file in sorted(folder.glob("*.yml"))]
    return sorted((document.validate(LogPattern) for document in documents), key=lambda pattern: pattern.id)


def chosen(use: Iterable[str], shipped: Iterable[LogPattern]) -> Iterator[LogPattern]:
    """Yield the patterns that ship and are named by `use`: ids, or `builtin`.

    Raises:
        ValueError: an id is unknown.
    """
    wanted, known = set(use), {pattern.id: pattern for pattern in shipped}
    for name in sorted(wanted - known.keys() - {BUILTIN}):
        raise ValueError(f"unknown log pattern '{name}'{did_you_mean(name, [BUILTIN, *known])}")
    for pattern in known.values():
        if pattern.id in wanted or (pattern.builtin and BUILTIN in wanted):
            yield pattern
