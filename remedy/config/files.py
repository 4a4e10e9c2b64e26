"""Configuration files are told apart by their keys, in whichever order they are named."""

from enum import StrEnum
from pathlib import Path

from remedy.config.problems import ConfigError, Problem
from remedy.config.yamlfile import read_yaml


class ConfigKind(StrEnum):
    """What a configuration file is for."""

    EXPORTER = "exporter.yml"
    REMEDIATION = "remediation.yml"
    ERROR_PATTERNS = "error_patterns.json"
    """The file of the daemons that this replaces."""


_KEYS = {
    ConfigKind.ERROR_PATTERNS: {"error_patterns", "health_checks", "auto_fix_config"},
    ConfigKind.EXPORTER: {"checks", "log_sources", "log_patterns", "state"},
}
"""One of these tells what a file is for; without any it is for the bridge."""


def kind_of(file: Path) -> ConfigKind:
    """Tell what a file is for.

    Raises:
        ConfigError: it cannot be read, or is no YAML.
    """
    try:
        data = read_yaml(file).data
    except ConfigError:
        if file.suffix == ".json":
            return ConfigKind.ERROR_PATTERNS  # its reader takes more, and says what is wrong
        raise
    if not isinstance(data, dict):
        raise ConfigError([Problem(str(file), None, "", "holds no keys such as checks: or remediations:")])
    found = next((kind for kind, keys in _KEYS.items() if keys & data.keys()), ConfigKind.REMEDIATION)
    return ConfigKind.ERROR_PATTERNS if found is ConfigKind.REMEDIATION and file.suffix == ".json" else found
