"""The commands of `remedy`, one file each; each holds one `click` command named `command`."""
