"""Labels into configured values: `{{ labels.NAME }}`, in Jinja2's sandbox, where what is not defined is an error.

Labels come from logs, and logs from attackers: what a label puts into a value is bounded here for every field, and then
checked by the field's own pattern.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_VALUE = 1024
"""Characters that a rendered value may have."""


class TemplateValueError(ValueError):
    """A template cannot be filled from these labels, or what comes out is not acceptable."""


def host_of(address: str) -> str:
    """Cut the port from `host:port`, `[v6]:port`; anything else is a host already."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    name, colon, port = address.rpartition(":")
    return name if colon and port.isdigit() and ":" not in name else address


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters = {
        name: environment.filters[name] for name in ("lower", "upper", "replace", "default", "trim", "truncate")
    }
    environment.filters["host"] = host_of
    return environment


_ENVIRONMENT = _environment()


def is_template(value: object) -> bool:
    """Tell whether a configured value takes something from labels."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def check_template(text: str) -> None:
    """See that a template can be parsed.

    Raises:
        ValueError: it cannot.
    """
    try:
        _ENVIRONMENT.parse(text)
    except TemplateError as error:
        raise ValueError(f"{text!r} is no template: {error}") from None


def render(text: str, labels: Mapping[str, str]) -> str:
    """Fill a template from labels.

    Raises:
        TemplateValueError: a label is missing, or the value is too long or holds control characters.
    """
    if not is_template(text):
        return text
    try:
        value = _ENVIRONMENT.from_string(text).render(labels=dict(labels))
    except TemplateError as error:
        raise TemplateValueError(f"{text!r} cannot be filled: {error}") from None
    if len(value) > MAX_VALUE:
        raise TemplateValueError(f"{text!r} gives {len(value)} characters, more than {MAX_VALUE}")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in value):
        raise TemplateValueError(f"{text!r} gives control or format characters")
    return value


def render_fields(value: Any, labels: Mapping[str, str]) -> Any:
    """Fill every template in a step's fields; a value from labels may not look like an option.

    Raises:
        TemplateValueError: as `render`, or it begins with '-'.
    """
    if isinstance(value, dict):
        return {key: render_fields(inner, labels) for key, inner in value.items()}
    if isinstance(value, list):
        return [render_fields(inner, labels) for inner in value]
    if not is_template(value):
        return value
    filled = render(value, labels)
    if filled.startswith("-"):
        raise TemplateValueError(f"{value!r} gives {filled[:20]!r}, which looks like an option")
    return filled
