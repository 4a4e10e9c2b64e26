"""Telling people, with the whole story, because the fix did not help."""
