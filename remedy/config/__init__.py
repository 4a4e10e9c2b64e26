"""What exporter and bridge share about configuration: files with line numbers, problems, durations, kinds, extras.

Nothing here knows the exporter or the bridge.
"""
