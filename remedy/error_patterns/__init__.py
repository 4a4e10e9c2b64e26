"""`error_patterns.json`, the file of the daemons that this replaces: read as it is, and put into our own two files."""
