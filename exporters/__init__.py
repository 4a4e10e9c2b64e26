"""Checks and log patterns, as metrics for Prometheus."""
