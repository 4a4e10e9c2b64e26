"""`gunicorn bridge.wsgi:app` takes this file by itself: one process with threads, on loopback.

The ledger, its one writer and the metrics live in one process: do not raise `workers`.
"""

bind = ["127.0.0.1:9095"]
workers = 1
worker_class = "remedy.web.patience.PatientWorker"
threads = 64
timeout = 60
graceful_timeout = 30
keepalive = 75
control_socket_disable = True
