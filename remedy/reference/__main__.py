"""Write the reference and the schemas into a folder: `python -m remedy.reference docs`."""

import sys
from pathlib import Path

from remedy.reference.made import write

write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
