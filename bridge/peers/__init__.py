"""Prometheus and the Alertmanagers: what is asked of them, and how their answers are put together."""
