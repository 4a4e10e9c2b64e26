"""The keys of a model in the words of the person who writes them: type, default, what it is for."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, HttpUrl
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from remedy.config.durations import format_duration

_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    timedelta: "duration",
    Any: "anything",
    dict: "keys and values",
    Mapping: "keys and values",
    HttpUrl: "URL",
}


@dataclass(frozen=True)
class Key:
    """One key of the configuration."""

    name: str
    kind: str
    default: str
    """As it would be written; empty where the key must be given or has none."""
    required: bool
    about: str


def keys_of(model: type[BaseModel]) -> Iterator[Key]:
    """Yield the keys of a model in the order in which they stand in its file."""
    said = about_fields(model)
    for name, info in model.model_fields.items():
        yield Key(info.alias or name, _kind(info.annotation), _default(info), info.is_required(), said[name])


def about_fields(model: type[BaseModel]) -> dict[str, str]:
    """Return what each field is for, in one line: its description, or what stands below it in the source."""
    said = dict(_attribute_docstrings(model))
    return {
        name: " ".join((info.description or said.get(name, "")).split()) for name, info in model.model_fields.items()
    }


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return its JSON Schema, which says of each field what it is for."""
    return model.model_json_schema(schema_generator=_Documented)


class _Documented(GenerateJsonSchema):
    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        for name, about in about_fields(model).items():
            if about:
                made["properties"][model.model_fields[name].alias or name]["description"] = about
        return made


def models_below(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections that stand below a model's keys, with their path: `limits.targets`."""
    for name, info in model.model_fields.items():
        for inner, suffix in _models_in(info.annotation):
            path = f"{info.alias or name}{suffix}"
            yield path, inner
            yield from ((f"{path}.{below}", deeper) for below, deeper in models_below(inner))


def _models_in(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
    listed = get_origin(annotation) in (list, tuple)
    for inner in get_args(annotation):
        yield from _models_in(inner, "[]" if listed else suffix)


def _attribute_docstrings(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield what is said below each field in the source, of the classes above too."""
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        statements = body.body if isinstance(body, ast.ClassDef) else []
        for field, below in pairwise(statements):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    yield name, text


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(one) for one in inner if one is not NoneType))
    if origin in (list, tuple, set, frozenset):
        return f"list of {_kind(inner[0])}"
    if choices := inner if origin is Literal else _members(annotation):
        return " or ".join(f"`{one}`" for one in choices)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys and values"
    return _WORDS.get(origin or annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _members(annotation: Any) -> tuple[str, ...]:
    return tuple(annotation) if isinstance(annotation, type) and issubclass(annotation, StrEnum) else ()


def _default(info: FieldInfo) -> str:
    value = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
    match value:
        case None | "" | BaseModel() | dict():
            return ""
        case timedelta():
            return format_duration(value)
        case bool():
            return str(value).lower()
        case list() | tuple() | set() | frozenset():
            return f"[{', '.join(map(str, value))}]" if value else ""
    return str(value)
