"""The ledger: the record of episodes, decisions, runs and steps, and the only truth about them.

All SQL of the bridge is in this package.
"""
