"""Labels into configured values: `{{ labels.NAME }}`, in Jinja2's sandbox, where what is not defined is an error.

Labels come from logs, and logs from attackers: what a label puts into a value is bounded here for every field, and then
checked by the field's own pattern.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from remedy.config.problems import did_you_mean

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


def _no_label(name: object) -> str:
    return f"the alert has no label {name!r}"


class _NoLabel(StrictUndefined):
    @property
    def _undefined_message(self) -> str:
        return _no_label(self._undefined_name)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=_NoLabel, autoescape=False)
    environment.globals.clear()
    environment.filters = {
        name: environment.filters[name] for name in ("lower", "upper", "replace", "default", "trim", "truncate")
    }
    environment.filters["host"] = host_of
    return environment


_ENVIRONMENT = _environment()
_NAMES = ("labels",)
_ONE_LABEL = re.compile(r"\{\{\s*labels\.([a-zA-Z][a-zA-Z0-9_]*)\s*\}\}")
"""What nearly every template is. A name that begins with an underscore is left to the sandbox."""
_JOINERS = "\u200c\u200d"
"""Without them names in several scripts, and emoji made of others, fall apart; they hide and turn nothing."""


class _Labels:
    """What a template sees: labels and nothing else. A dict's own methods would hide a label named `values`.

    An empty label is none, as Prometheus has it: it must not make `/srv/cache/` of `/srv/cache/{{ labels.tenant }}`.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.__labels = labels

    def __getitem__(self, name: str) -> str:
        value = self.__labels[name]
        if not value:
            raise KeyError(name)
        return value

    def __str__(self) -> str:
        raise TypeError("name one of them, such as labels.instance")

    def __contains__(self, name: str) -> bool:
        return bool(self.__labels.get(name))


def is_template(value: object) -> bool:
    """Tell whether a configured value takes something from labels."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def check_template(text: str) -> None:
    """See that a template can be used: its syntax, its filters, and that it asks for labels alone.

    Raises:
        ValueError: it cannot.
    """
    try:
        unknown = find_undeclared_variables(_ENVIRONMENT.parse(text)).difference(_NAMES)
        _ENVIRONMENT.from_string(text)
    except (TemplateError, RecursionError) as error:
        raise ValueError(f"{text!r} is no template: {_first_line(error)}") from None
    for name in sorted(unknown):
        raise ValueError(f"{text!r} asks for {name!r}, which is not there{did_you_mean(name, _NAMES)}")


def check_field(text: str) -> None:
    """See that a template can be used for a step's field.

    Raises:
        ValueError: it cannot, or what comes out would always look like an option.
    """
    check_template(text)
    if is_template(text) and text.startswith("-"):
        raise ValueError(f"{text!r}: what labels fill may not begin with '-'; give option and value as two elements")


def render(text: str, labels: Mapping[str, str]) -> str:
    """Fill a template from labels.

    Raises:
        TemplateValueError: a label is missing, or the value is too long or holds control characters.
    """
    if not is_template(text):
        return text
    if (name := _only_label(text)) is not None:
        if not (value := labels.get(name)):
            raise TemplateValueError(f"{text!r} cannot be filled: {_no_label(name)}")
        return acceptable(value, text)
    try:
        value = _compiled(text).render(labels=_Labels(labels))
    except Exception as error:  # noqa: BLE001 - an expression can go wrong in any way; all of them are the template's
        raise TemplateValueError(f"{text!r} cannot be filled: {error}") from None
    return acceptable(value, text)


def acceptable(value: str, source: str) -> str:
    """Return a value that came from labels, if it is short and plain; `source` says where it came from.

    Raises:
        TemplateValueError: it is too long or holds control or format characters.
    """
    if len(value) > MAX_VALUE:
        raise TemplateValueError(f"{source!r} gives {len(value)} characters, more than {MAX_VALUE}")
    if value.isprintable():  # by far the most, and none of it is of these categories
        return value
    unseen = (char for char in value if char not in _JOINERS)
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in unseen):
        raise TemplateValueError(f"{source!r} gives control or format characters")
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


@functools.lru_cache(maxsize=1024)
def _only_label(text: str) -> str | None:
    """Return the label that is all of a template: without Jinja it is filled in a sixteenth of the time."""
    found = _ONE_LABEL.fullmatch(text)
    return found[1] if found else None


@functools.lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    """Compile a template once: templates come from the configuration, never from labels."""
    return _ENVIRONMENT.from_string(text)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
