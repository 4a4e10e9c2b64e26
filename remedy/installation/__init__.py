"""Services for systemd, confined to what their configuration lets them touch."""
