"""`remedy test`: the bridge's own intake, gates, rounds and runs over a made-up world, clock and steps."""
