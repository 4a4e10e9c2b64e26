"""What can still be looked at where some keys are wrong, so that a person hears of everything at once."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Kind = TypeVar("Kind", bound=BaseModel)
_ITS_NAME = "[key]"
"""pydantic's own word where the name of an entry is wrong, not what it holds."""


def salvage(model: type[Kind], data: Any, invalid: ValidationError, instead: Mapping[str, Any]) -> Kind:
    """Make a model of what is right; it is good for nothing but for finding more that is wrong.

    `instead` holds, for a key that must be there, what stands in for it where it is wrong: for a list its only entry,
    which also stands in for single wrong entries, and so for a mapping.
    """
    keys = dict(data) if isinstance(data, dict) else {}
    wrong = [error["loc"] for error in invalid.errors() if error["loc"]]
    for loc in wrong:
        if len(loc) > 1 and loc[0] in instead:
            _stand_in(keys, loc, instead[str(loc[0])])
        else:
            keys.pop(str(loc[0]), None)
    required = {name: instead[name] for name in instead if model.model_fields[name].is_required()}
    try:
        return model.model_validate({**required, **keys})
    except ValidationError:
        names = {loc[0] for loc in wrong}
        return model.model_validate({**required, **{key: keys[key] for key in keys if key not in names}})


def _stand_in(keys: dict[str, Any], loc: tuple[str | int, ...], entries: Any) -> None:
    name, which = str(loc[0]), loc[1]
    match keys.get(name):
        case list() as given if isinstance(which, int):
            keys[name] = [entries[0] if i == which else entry for i, entry in enumerate(given)]
        case dict() as given if loc[-1] == _ITS_NAME:
            keys[name] = {key: value for key, value in given.items() if key != which}
        case dict() as given:
            (entry,) = entries.values()
            keys[name] = {key: entry if key == which else value for key, value in given.items()}
        case _:
            keys.pop(name, None)
