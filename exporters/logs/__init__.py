"""Log files followed without losing or counting twice a line, and what their lines match."""
