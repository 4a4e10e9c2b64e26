"""Answers that need no Flask around them."""

import json
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException


def as_json(data: Any, status: int = 200) -> Response:
    """Make an answer of something; it reads as Flask's own do."""
    return Response(f"{json.dumps(data, separators=(',', ':'), sort_keys=True)}\n", status, mimetype="application/json")


def refusal(status: int, why: str) -> Response:
    """Make an answer that says why not."""
    return as_json({"error": why}, status)


def http_refusal(error: HTTPException) -> Response:
    """Make an answer of what HTTP calls an error, with the headers that belong to it."""
    answer = refusal(error.code or 500, error.description or error.name)
    answer.headers.extend((name, value) for name, value in error.get_headers() if name not in answer.headers)
    return answer
