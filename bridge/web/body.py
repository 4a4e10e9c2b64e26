"""The JSON body of a request, checked against a model; a wrong one is a 400 that says which key, and why."""

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest

Body = TypeVar("Body", bound=BaseModel)


def read_body(model: type[Body]) -> Body:
    """Return the body of the request at hand; none counts as an empty object.

    Raises:
        BadRequest: it is not what the model wants.
    """
    data = request.get_json(silent=True) if request.data else {}
    if not isinstance(data, dict):
        raise BadRequest("the body is a JSON object, sent as application/json")
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
