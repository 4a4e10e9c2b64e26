"""exporter.yml and remediation.yml are told apart by their keys, in whichever order they are named."""

from enum import StrEnum
from pathlib import Path

from remedy.config.problems import ConfigError, Problem
from remedy.config.yamlfile import read_yaml

_EXPORTER_KEYS = {"checks", "log_sources", "log_patterns", "state"}


class ConfigKind(StrEnum):
    """What a configuration file is for."""

    EXPORTER = "exporter.yml"
    REMEDIATION = "remediation.yml"


def kind_of(file: Path) -> ConfigKind:
    """Tell what a file is for.

    Raises:
        ConfigError: it cannot be read, or is no YAML.
    """
    data = read_yaml(file).data
    if not isinstance(data, dict):
        raise ConfigError([Problem(str(file), None, "", "holds no keys such as checks: or remediations:")])
    return ConfigKind.EXPORTER if _EXPORTER_KEYS & data.keys() else ConfigKind.REMEDIATION
