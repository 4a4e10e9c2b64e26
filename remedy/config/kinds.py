"""Kinds that are files: each module of a package holds one class of a base, and the module's name is the kind.

Dropping a file into the package adds a kind; a module is imported only when its kind is used.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

from remedy.config.problems import did_you_mean

Base = TypeVar("Base")


def names(package: ModuleType) -> list[str]:
    """Name the kinds in a package without importing them; `base` and names with an underscore are none."""
    found = (module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg)
    return sorted(name for name in found if name != "base" and not name.startswith("_"))


def load(package: ModuleType, kind: str, base: type[Base], word: str) -> type[Base]:
    """Return the class of a kind.

    Raises:
        ValueError: there is no such kind; the message suggests one. `word` is what people call a kind of these.
        TypeError: the file holds none, or more than one, of them: a mistake in the file itself.
    """
    if kind not in names(package):
        raise ValueError(f"unknown {word} '{kind}'{did_you_mean(kind, names(package))}")
    module = importlib.import_module(f"{package.__name__}.{kind}")
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, base) and item.__module__ == module.__name__
    ]
    public = [item for item in classes if not item.__name__.startswith("_")]
    if len(public) != 1:
        raise TypeError(f"{module.__name__} must hold exactly one {base.__name__}, not {len(public)}")
    return public[0]
