"""The host as actions may touch it: programs, child processes, other processes, folders, units.

Every safety rule of the design that is about the host stands here once; actions are written on top.
"""
