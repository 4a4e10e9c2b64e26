"""The command line, the Prometheus-less runner and the demo; `remedy.config` and `remedy.web` are the leaf pieces."""

from importlib.metadata import version

__version__ = version("remediation-bridge")
