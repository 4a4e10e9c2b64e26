"""What is looked at, by whichever file says so."""

import os
from pathlib import Path

from exporters.config import ExporterConfig, config_of, read_config
from remedy.config.files import ConfigKind, kind_of
from remedy.config.yamlfile import Document


def looked_at(file: Path) -> ExporterConfig:
    """Read an exporter.yml, or what an error_patterns.json stands for.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    if kind_of(file) is not ConfigKind.ERROR_PATTERNS:
        return read_config(file)
    from remedy.error_patterns.translation import Where, translate  # noqa: PLC0415 - the bridge's libraries only here

    return config_of(Document(str(file), translate(Where(file, environment=os.environ)).exporter))
