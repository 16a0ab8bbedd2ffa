"""JSON Schema of an experiment file, by which an editor completes and checks it."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from facesim.experiment.schema import Experiment
from facesim.interfaces import REGISTRIES
from facesim.registry import PLUGINS_OF, Spec

Schema = dict[str, Any]

_VARIABLE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"
_EXTENDS = {
    "type": "string",
    "description": "another file, relative to this one, over which this one is laid",
}
_BESIDE = ("description", "default")
_LIMITS_OF_TEXT = ("const", "enum", "pattern", "minLength", "maxLength")


def experiment_json_schema() -> Schema:
    """JSON Schema (2020-12) of the whole file, the parameters of every registered plugin included.

    ``"${VARIABLE}"`` is accepted for any value. A file with ``extends`` may leave anything out, and
    one with ``plugins`` may name plugins that are not registered in this process.
    """
    plain = _plain_definitions()
    whole, part = _Variant("", partial=False), _Variant("-part", partial=True)
    open_whole = _Variant("-open", partial=False, any_plugin=True)
    open_part = _Variant("-open-part", partial=True, any_plugin=True)
    variants = (whole, part, open_whole, open_part)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A facesim experiment",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _with_plugins(open_part, otherwise=part),
        "else": _with_plugins(open_whole, otherwise=whole),
        "$defs": {
            variant.renamed(name): variant.of(schema)
            for variant in variants
            for name, schema in plain.items()
        },
    }


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic's schema without the keys once more as titles."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _plain_definitions() -> dict[str, Schema]:
    """Every part of the schema by name, as pydantic has it; the plugins of a kind by its plural."""
    experiment = Experiment.model_json_schema(schema_generator=_WithoutTitles)
    definitions: dict[str, Schema] = {**experiment.pop("$defs"), "Experiment": experiment}
    experiment["properties"]["extends"] = _EXTENDS
    for registry in REGISTRIES:
        node = TypeAdapter(Annotated[Spec[Any], registry])
        schema = node.json_schema(schema_generator=_WithoutTitles)
        definitions |= schema.pop("$defs", {})
        for of_a_node in (PLUGINS_OF, "default"):
            schema.pop(of_a_node, None)
        definitions[registry.plural] = schema
    return definitions


def _with_plugins(variant: "_Variant", otherwise: "_Variant") -> Schema:
    return {
        "if": {"required": ["plugins"]},
        "then": variant.reference("Experiment"),
        "else": otherwise.reference("Experiment"),
    }


@dataclass(frozen=True)
class _Variant:
    """The definitions once more, for one way of writing a file.

    Attributes:
        suffix: tells the names of its definitions from those of the other variants.
        partial: no key is required.
        any_plugin: plugins that are not registered are accepted, with any parameters.
    """

    suffix: str
    partial: bool
    any_plugin: bool = False

    def renamed(self, name: str) -> str:
        return name + self.suffix

    def reference(self, name: str) -> Schema:
        return {"$ref": f"#/$defs/{self.renamed(name)}"}

    def of(self, schema: Schema) -> Schema:
        """A definition or a part of one, and all that is in it, in this variant."""
        if PLUGINS_OF in schema:
            beside: Schema = {key: schema[key] for key in _BESIDE if key in schema}
            return {**self.reference(schema[PLUGINS_OF]), **beside}
        changed = {key: self._below(key, value) for key, value in schema.items()}
        if "$ref" in changed:
            changed |= self.reference(changed["$ref"].removeprefix("#/$defs/"))
        if self.partial:
            changed.pop("required", None)
        if self.any_plugin and _names(schema):
            changed["anyOf"] += _any_but(_names(schema), name_needed=not self.partial)
        return _or_variable(changed)

    def _below(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self.of(below) for name, below in value.items()}
        if key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [self.of(below) for below in value]
        if key in ("items", "additionalProperties") and isinstance(value, dict):
            return self.of(value)
        return value


def _names(schema: Schema) -> list[str]:
    """The plugins among which a definition lets choose; none if it is another definition."""
    branches = [branch.get("properties", {}) for branch in schema.get("anyOf", ())]
    of_plugins = [branch.get("name", {}) for branch in branches]
    aliased = [name for of_plugin in of_plugins for name in of_plugin.get("enum", ())]
    return aliased + [of_plugin["const"] for of_plugin in of_plugins if "const" in of_plugin]


def _any_but(names: list[str], *, name_needed: bool) -> list[Schema]:
    """Nodes of plugins that have none of these names."""
    name: Schema = {"type": "string", "not": {"enum": names}}
    mapping: Schema = {"type": "object", "properties": {"name": name}}
    return [mapping | {"required": ["name"]} if name_needed else mapping, name]


def _or_variable(schema: Schema) -> Schema:
    """Accept a variable besides a value, with one type where possible: that makes better errors."""
    limited = any(key in schema for key in _LIMITS_OF_TEXT)
    if schema.get("type") in ("integer", "number", "boolean") and not limited:
        return {**schema, "type": [schema["type"], "string"], "pattern": _VARIABLE}
    if not limited:
        return schema
    beside: Schema = {key: schema.pop(key) for key in _BESIDE if key in schema}
    return {"anyOf": [schema, {"type": "string", "pattern": _VARIABLE}], **beside}
