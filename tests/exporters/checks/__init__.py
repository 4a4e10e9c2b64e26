"""Each kind of check against the real thing: healthy, broken and hanging."""
