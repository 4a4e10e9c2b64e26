"""`remedy run`: exporter and bridge in one process, without Prometheus; the same alerts, the same bridge."""
