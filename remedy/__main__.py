"""`python -m remedy` is `remedy`."""

from remedy.cli import main

main()
