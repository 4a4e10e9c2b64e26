"""Backup before fix: what a step will change is copied into its run's folder, listed there, and can be put back.

`BACKUPS/RUN/` holds `manifest.jsonl`, one line for each thing that was kept, and the copies: 0001, 0002 and so on.
"""
