"""Kinds of fixes, one file each; dropping a file in here adds one (its test belongs in tests/bridge/actions/)."""
