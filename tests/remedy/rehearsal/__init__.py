"""`remedy test`."""
