"""`remedy demo`: real processes on loopback, a service that can really break, and a timeline of how it is healed."""
