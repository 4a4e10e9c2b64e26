"""`gunicorn bridge.wsgi:app` with the shipped gunicorn.conf.py, for those who run it that way.

The file is named by the environment variable REMEDY_CONFIG (default: remediation.yml).
"""

import atexit
import os
import sys
from pathlib import Path

from bridge.logs import configure_logs
from bridge.service import BridgeService
from remedy.config.problems import ConfigError

configure_logs()
try:
    service = BridgeService(Path(os.environ.get("REMEDY_CONFIG", "remediation.yml")))
    service.start()
except ConfigError as wrong:
    print(wrong, file=sys.stderr)
    sys.exit(4)  # gunicorn's own code for an application that cannot be loaded: it does not try again
atexit.register(service.stop)
app = service.wsgi
