"""`python -I -S leash.py PARENT PROGRAM ARGUMENT…`: become a program that the kernel ends when PARENT dies.

Uses the standard library only, so that it starts in no time.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>. It survives `execv`, and is tied to the thread of the parent that started us."""


def main(parent: int, argv: list[str]) -> None:
    """Ask for SIGTERM at the parent's death, unless that has happened already, and become the program."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:
        os.execv(argv[0], argv)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
