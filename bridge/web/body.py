"""The body of a request, as a whole or not at all, and checked against a model; a wrong one says where, and why."""

import json
import sys
from typing import TypeVar

from gunicorn.http.errors import ChunkMissingTerminator
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, ServiceUnavailable, UnsupportedMediaType
from werkzeug.wrappers import Request

Body = TypeVar("Body", bound=BaseModel)
MAX_BODY = 32 * 1024 * 1024
"""Bytes: 10,000 real alerts are 6 MB."""


def read_whole(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        BadRequest: it was not sent as HTTP wants it.
        RequestEntityTooLarge: it is longer than any may be.
        ServiceUnavailable: it broke off, or took too long; after a 5xx Alertmanager sends again soon, not after a 408.
        UnsupportedMediaType: it is compressed; what a few bytes of it unpack to may be longer than any may be.
    """
    coding = request.headers.get("Content-Encoding", "").strip()
    if coding.lower() not in ("", "identity"):
        raise UnsupportedMediaType(f"bodies are taken uncompressed, not as {coding}")
    size, limit = request.content_length, request.max_content_length or sys.maxsize
    if size is not None and size > limit:
        raise RequestEntityTooLarge
    try:  # not by Flask, which would look for the end of what the server has counted already
        body: bytes = request.environ["wsgi.input"].read(limit + 1 if size is None else size)
    except Exception as error:  # noqa: BLE001 - each server has its own ones for wrong chunks
        if _broke_off(error):
            raise ServiceUnavailable("the body broke off") from None
        raise BadRequest(f"the body cannot be read: {type(error).__name__}") from None
    if len(body) > limit:
        raise RequestEntityTooLarge
    if size is not None and len(body) < size:
        raise ServiceUnavailable(f"the body broke off after {len(body)} of {size} bytes")
    return body


def _broke_off(error: Exception) -> bool:
    """Tell whether nothing came any more, and nothing wrong did; gunicorn's own error for it is an `OSError`."""
    return isinstance(error, OSError) or (isinstance(error, ChunkMissingTerminator) and len(error.term) < len(b"\r\n"))


def read_body(request: Request, model: type[Body]) -> Body:
    """Return the body of a request; none counts as an empty object.

    Raises:
        BadRequest: it is not what the model wants.
        RequestEntityTooLarge: it is longer than any may be.
        ServiceUnavailable: it broke off.
        UnsupportedMediaType: it is compressed.
    """
    body = read_whole(request)
    try:
        data = json.loads(body or b"{}") if request.is_json or not body else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise BadRequest("the body is a JSON object, sent as application/json")
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
