"""`gunicorn bridge.wsgi:app` with the shipped gunicorn.conf.py, for those who run it that way.

The file is named by the environment variable REMEDY_CONFIG (default: remediation.yml).
"""

import atexit
import os
from pathlib import Path

from gunicorn.errors import AppImportError

from bridge.logs import configure_logs
from bridge.service import BridgeService
from remedy.config.problems import ConfigError

try:
    service = BridgeService(Path(os.environ.get("REMEDY_CONFIG", "remediation.yml")))
    configure_logs(service.bridge.policy.settings.logs)
    service.start()
except ConfigError as wrong:
    raise AppImportError(str(wrong)) from None  # gunicorn prints it, without a trace, and ends
atexit.register(service.stop)
app = service.wsgi
