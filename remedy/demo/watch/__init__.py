"""Who watches what during the demo: each source is asked for what is new, and answers with sightings."""
