"""The command line, the Prometheus-less runner and the demo; `remedy.config` and `remedy.web` are the leaf pieces."""
