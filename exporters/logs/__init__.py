"""Reading log sources without losing or double-counting a line, and finding patterns in them."""
