"""A folder of wrong files, each beside the exact messages it must give: `cooldown.yml` and `cooldown.txt`.

A test takes `cases(folder)` as parameters and hands each file to `check`. Messages name the file without its folder,
one problem a line. A new case: write the .yml, run the test, read what it says, and put that into the .txt if it would
have helped you.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from remedy.config.problems import ConfigError


def cases(folder: Path) -> list[object]:
    """Return a parameter for each wrong file; none at all is a mistake in the test."""
    files = sorted(file for file in folder.iterdir() if file.suffix in (".yml", ".json"))
    assert files, f"no wrong files in {folder}"
    texts = {file.stem for file in folder.glob("*.txt")}
    assert texts == {file.stem for file in files}, "each wrong file has its .txt, and each .txt its file"
    return [pytest.param(file, id=file.stem) for file in files]


def check(file: Path, load: Callable[[Path], object]) -> None:
    """Load a wrong file and compare the messages, all of them, in order."""
    with pytest.raises(ConfigError) as refused:
        load(file)
    said = str(refused.value).replace(f"{file.parent}/", "")
    assert said == file.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")
