"""Kinds of health checks, one file each; dropping a file in here (and its test beside the others) adds one."""
