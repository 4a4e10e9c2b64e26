"""Ways to prove that a fix helped, one file each: exit code 0 is not evidence, and neither is absence."""
