"""exporter.yml: what is wrong is said all at once, with line, path and a suggestion; what is left out has a default."""

from pathlib import Path

import pytest

from exporters.config import config_of, read_config
from remedy.config.yamlfile import parse_yaml
from tests.wrong_files import cases, check


@pytest.mark.parametrize("file", cases(Path(__file__).parent / "wrong"))
def test_wrong_files(file: Path) -> None:
    check(file, read_config)


def test_an_empty_file_and_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/remedy")
    config = config_of(parse_yaml("", "x.yml"))
    assert (config.listen, str(config.state)) == ("127.0.0.1:9195", "/var/lib/remedy/exporter.db")
    assert len(config.log_patterns) == 12
