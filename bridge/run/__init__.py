"""Runs: who starts them, how their steps are done and proven, and how they are taken up after a crash."""
