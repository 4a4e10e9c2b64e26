"""A small ITSM application to break: tickets in PostgreSQL, a cache in Redis, its log in logs/app.log.

MKS_PORT (5100) is its port, DATABASE_URL its database, REDIS_URL its cache. SIGHUP lets it forget what it was doing.
"""

import logging
import os
import signal
import threading
from pathlib import Path

import psycopg
import redis
from flask import Flask, jsonify
from werkzeug.exceptions import HTTPException

HOME = Path(os.environ.get("MKS_HOME", Path(__file__).parent))
app = Flask(__name__)
wedged = threading.Event()


def database(url: str = "") -> psycopg.Connection:
    """Connect."""
    return psycopg.connect(url or os.environ.get("DATABASE_URL", ""), connect_timeout=2)


@app.get("/api/health")
def health():
    """Answer 200 while everything that it needs can be used."""
    if wedged.is_set():
        raise RuntimeError("a worker is stuck")
    with database() as connection:
        connection.execute("SELECT 1")
    try:
        redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), socket_timeout=2).ping()
    except redis.ConnectionError as error:
        raise RuntimeError(f"Error while connecting to Redis: {error}") from error
    return jsonify({"status": "ok"})


@app.post("/api/wedge")
def wedge():
    """Get stuck, as it happens."""
    wedged.set()
    return jsonify({"status": "stuck"})


@app.post("/api/misconnect")
def misconnect():
    """Ask for a database that is not there."""
    with database(os.environ["DATABASE_URL"].replace("/postgres", "/nowhere")):
        return jsonify({"status": "connected"})


@app.errorhandler(Exception)
def broken(error: Exception):
    """Write down what went wrong, as it does in production."""
    if isinstance(error, HTTPException):
        return jsonify({"error": error.description}), error.code
    app.logger.error('"GET /api HTTP/1.1" 500: %s', str(error).replace("\n", " "))
    return jsonify({"error": type(error).__name__}), 500


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, lambda *_: wedged.clear())
    (HOME / "logs").mkdir(exist_ok=True)
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(filename=HOME / "logs" / "app.log", level=logging.INFO, format=form)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app.run("127.0.0.1", int(os.environ.get("MKS_PORT", "5100")))
