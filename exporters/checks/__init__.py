"""The kinds of health checks, one file each, named like the kind. Adding a file adds a kind."""
