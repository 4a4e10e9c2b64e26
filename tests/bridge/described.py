"""Answers beside what openapi.yaml says of them: the tests of HTTP hold every answer that they get against it."""

import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from bridge.web.machinery import description

_HERE = "urn:openapi"
NOT_DESCRIBED = (404, 405)
"""Of a path or a method that is not there nothing is said."""


@cache
def described() -> dict[str, Any]:
    return description()


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Return each path as a pattern, the plain ones first."""
    found = sorted(described()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))), path) for path in found]


@cache
def _registry() -> Registry:
    return Registry().with_resource(_HERE, Resource(described(), DRAFT202012))


def operation(method: str, path: str) -> dict[str, Any] | None:
    """Return what is said of a request; None: nothing."""
    bare = path.partition("?")[0]
    for pattern, name in _paths():
        if pattern.fullmatch(bare):
            found: dict[str, Any] | None = described()["paths"][name].get(method.lower())
            return found
    return None


def hold(method: str, path: str, answer: TestResponse) -> None:
    """See that an answer is one that is described."""
    said = operation(method, path)
    if said is None:
        assert answer.status_code in (*NOT_DESCRIBED, 401, 403, 421), f"{method} {path} is not described"
        return
    if answer.status_code == 405:
        return
    assert str(answer.status_code) in said["responses"], f"{method} {path}: {answer.status_code} is not described"
    found = _resolved(said["responses"][str(answer.status_code)])
    assert answer.mimetype in found["content"], f"{method} {path}: {answer.mimetype} is not described"
    if answer.mimetype == "application/json":
        _check(found["content"]["application/json"]["schema"], answer.json)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    return _registry().resolver(_HERE).lookup(f"{_HERE}{node['$ref']}").contents if "$ref" in node else node


def _check(schema: dict[str, Any], data: Any) -> None:
    absolute = _absolute(schema)
    validator = Draft202012Validator(absolute, registry=_registry(), format_checker=FormatChecker())
    wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]
    assert not wrong, wrong[:5]


def _absolute(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: f"{_HERE}{v}" if k == "$ref" else _absolute(v) for k, v in node.items()}
    return [_absolute(each) for each in node] if isinstance(node, list) else node
