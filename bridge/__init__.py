"""From an Alertmanager notification to a decision, a run and its outcome."""
