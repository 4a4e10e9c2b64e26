"""Talking to a running bridge from the command line."""
