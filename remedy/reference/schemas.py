"""JSON Schemas of the two files for editors: completion and complaints while one types.

The files themselves are checked by the loaders, which know more; a schema lets pass what a label's value will fill.
"""

from types import ModuleType
from typing import Any

from pydantic import BaseModel

from bridge import actions, notifiers, verify
from bridge.actions.base import Action
from bridge.notifiers.base import Notifier
from bridge.policy.config import Settings
from bridge.verify.base import Verification
from exporters import checks
from exporters.checks.base import Check
from exporters.config import _File as ExporterFile
from remedy.config import kinds
from remedy.reference.fields import schema_of
from remedy.rehearsal.keys import RehearsalFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE = {"type": "string", "pattern": r"\{\{"}
Schema = dict[str, Any]


def remediation_schema() -> Schema:
    """Return the schema of remediation.yml."""
    schema = _of(Settings, "remediation.yml")
    definitions = schema["$defs"]
    steps = {name: _templated(_fields(kind, definitions)) for name, kind in _kinds(actions, Action)}
    one_of_steps = {"type": "object", "properties": steps, "minProperties": 1, "additionalProperties": False}
    entry = definitions["RemediationKeys"]["properties"]
    entry["steps"]["items"] = {**one_of_steps, "maxProperties": 1}
    proofs = [_fields(kind, definitions) for name, kind in _kinds(verify, Verification) if name != "none"]
    entry["verify"] = {"anyOf": [{"const": "none"}, *proofs]}
    entry["match"] = {"anyOf": [{"type": "string"}, entry["match"]]}
    tellers = [_named(kind, name, definitions) for name, kind in _kinds(notifiers, Notifier)]
    schema["properties"]["notifiers"]["additionalProperties"] = {"oneOf": tellers}
    return schema


def rehearsal_schema() -> Schema:
    """Return the schema of a file for `remedy test`."""
    return _of(RehearsalFile, "remediation_test.yml")


def exporter_schema() -> Schema:
    """Return the schema of exporter.yml."""
    schema = _of(ExporterFile, "exporter.yml")
    definitions = schema["$defs"]
    schema["properties"]["checks"]["items"] = {
        "oneOf": [_named(kind, name, definitions) for name, kind in _kinds(checks, Check)]
    }
    return schema


def _kinds(package: ModuleType, base: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    return [(name, kinds.load(package, name, base, "kind")) for name in kinds.names(package)]


def _of(model: type[BaseModel], title: str) -> Schema:
    schema = schema_of(model)
    return {"$schema": _DIALECT, **schema, "title": title}


def _fields(kind: type[BaseModel], definitions: Schema) -> Schema:
    """Return the schema of a kind; what it defines moves to the file's definitions."""
    schema = schema_of(kind)
    definitions.update(schema.pop("$defs", {}))
    schema.pop("description", None)
    return schema


def _named(kind: type[BaseModel], name: str, definitions: Schema) -> Schema:
    schema = _fields(kind, definitions)
    properties = {**schema["properties"], "kind": {"const": name}}
    required = sorted({*schema.get("required", []), "kind"})
    return {**schema, "properties": properties, "required": required}


def _templated(schema: Schema) -> Schema:
    """Let every field of a step be a template too: a label fills it when the step runs."""
    fields = {name: {"anyOf": [field, _TEMPLATE]} for name, field in schema["properties"].items()}
    return {**schema, "properties": fields}
