"""What remediation.yml means: its keys, its checks, and the remediations that come of it."""
