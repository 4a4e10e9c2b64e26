"""A small ITSM application to break: tickets in SQLite, settings in JSON, uploads in a folder, its log in logs/app.log.

MKS_PORT (5100) is its port, MKS_HOME the folder of its files (this one).
"""

import json
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from flask import Flask, jsonify, request
from werkzeug.exceptions import HTTPException

HOME = Path(os.environ.get("MKS_HOME", Path(__file__).parent))
app = Flask(__name__)


def tickets() -> sqlite3.Connection:
    """Open the database, and make it where there is none."""
    database = sqlite3.connect(HOME / "itsm.db", timeout=1)
    database.execute("CREATE TABLE IF NOT EXISTS tickets (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
    return database


@app.get("/api/health")
def health():
    """Answer 200 while everything that it needs can be used."""
    with closing(tickets()) as database:
        count = database.execute("SELECT count(*) FROM tickets").fetchone()[0]
    settings = json.loads((HOME / "data" / "settings.json").read_text(encoding="utf-8"))
    names = list((HOME / "uploads").iterdir())
    return jsonify({"status": "ok", "tickets": count, "language": settings["language"], "uploads": len(names)})


@app.post("/api/tickets")
def create():
    """Take a ticket."""
    with closing(tickets()) as database, database:
        database.execute("INSERT INTO tickets (title) VALUES (?)", [request.get_json()["title"]])
    return jsonify({"status": "created"}), 201


@app.errorhandler(Exception)
def broken(error: Exception):
    """Write down what went wrong, as it does in production."""
    if isinstance(error, HTTPException):
        return jsonify({"error": error.description}), error.code
    app.logger.error("request failed: %s HTTP/1.1 500", request.path, exc_info=error)
    return jsonify({"error": type(error).__name__}), 500


if __name__ == "__main__":
    (HOME / "logs").mkdir(exist_ok=True)
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(filename=HOME / "logs" / "app.log", level=logging.INFO, format=form)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app.run("127.0.0.1", int(os.environ.get("MKS_PORT", "5100")))
