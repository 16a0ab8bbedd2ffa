"""JSON Schema of an experiment file, for completion and checks in an editor."""

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
    """JSON Schema (2020-12) of the whole file, with the parameters of every registered plugin.

    ``"${VARIABLE}"`` is accepted for any value. A file with ``extends`` may leave anything out, and
    one with ``plugins`` may name plugins that are not registered in this process.
    """
    plain = _plain_definitions()
    # JSON Schema cannot derive one definition from another ("the same, but nothing is required"),
    # so that each is written once per combination of these two liberties.
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
    """Pydantic's schema without titles, which would only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _plain_definitions() -> dict[str, Schema]:
    """The definitions as pydantic makes them, by name; the plugins of a kind by its plural."""
    experiment = Experiment.model_json_schema(schema_generator=_WithoutTitles)
    definitions: dict[str, Schema] = {**experiment.pop("$defs"), "Experiment": experiment}
    experiment["properties"]["extends"] = _EXTENDS
    for registry in REGISTRIES:
        node = TypeAdapter(Annotated[Spec[Any], registry])
        schema = node.json_schema(schema_generator=_WithoutTitles)
        for of_a_node in ("$defs", PLUGINS_OF, "default"):  # all definitions are the experiment's
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
    """Rewrites the definitions for one way of writing a file.

    Attributes:
        suffix: appended to the names of its definitions.
        partial: no key is required.
        any_plugin: unregistered plugins are accepted, with any parameters.
    """

    suffix: str
    partial: bool
    any_plugin: bool = False

    def renamed(self, name: str) -> str:
        return name + self.suffix

    def reference(self, name: str) -> Schema:
        return {"$ref": f"#/$defs/{self.renamed(name)}"}

    def of(self, schema: Schema) -> Schema:
        """A definition, or a part of one, rewritten for this variant."""
        if PLUGINS_OF in schema:
            # Pydantic spells all plugins of a kind out wherever a node is one of them; a reference
            # keeps the schema small, and there is one place to accept other plugins in.
            beside: Schema = {key: schema[key] for key in _BESIDE if key in schema}
            return {**self.reference(schema[PLUGINS_OF]), **beside}
        changed = {key: self._below(key, value) for key, value in schema.items()}
        if "$ref" in changed:
            changed |= self.reference(changed["$ref"].removeprefix("#/$defs/"))
        if self.partial:
            changed.pop("required", None)
        names = _plugin_names(schema)
        if self.any_plugin and names:
            # Any other name, so that a registered plugin's parameters are still checked.
            name: Schema = {"type": "string", "not": {"enum": names}}
            node: Schema = {"type": "object", "properties": {"name": name}}
            changed["anyOf"] += [node if self.partial else node | {"required": ["name"]}, name]
        return _or_variable(changed)

    def _below(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self.of(below) for name, below in value.items()}
        if key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [self.of(below) for below in value]
        if key in ("items", "additionalProperties") and isinstance(value, dict):
            return self.of(value)
        return value


def _plugin_names(schema: Schema) -> list[str]:
    """The names in the definition of a kind's plugins; empty for any other definition."""
    branches = [branch.get("properties", {}) for branch in schema.get("anyOf", ())]
    of_plugins = [branch.get("name", {}) for branch in branches]
    aliased = [name for of_plugin in of_plugins for name in of_plugin.get("enum", ())]
    return aliased + [of_plugin["const"] for of_plugin in of_plugins if "const" in of_plugin]


def _or_variable(schema: Schema) -> Schema:
    """Accept ``${VARIABLE}`` besides a value."""
    # A list of types where possible: of a failed `anyOf` an editor reports every branch.
    limited = any(key in schema for key in _LIMITS_OF_TEXT)
    if schema.get("type") in ("integer", "number", "boolean") and not limited:
        return {**schema, "type": [schema["type"], "string"], "pattern": _VARIABLE}
    if not limited:
        return schema
    beside: Schema = {key: schema.pop(key) for key in _BESIDE if key in schema}
    return {"anyOf": [schema, {"type": "string", "pattern": _VARIABLE}], **beside}
