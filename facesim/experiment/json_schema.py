"""JSON Schema of an experiment file, for completion and checks in an editor."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from facesim.atomic import write_text
from facesim.errors import FacesimError
from facesim.experiment.schema import Experiment
from facesim.folders import make_folder
from facesim.interfaces import REGISTRIES
from facesim.machine_errors import in_words
from facesim.registry import PLUGINS_OF, Plugin, Registry, Spec

Schema = dict[str, Any]

FILE_NAME = "facesim.schema.json"
"""What the schema is called beside experiment files that refer to it."""

_TITLE = "A facesim experiment"
_VARIABLE: Schema = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
    "title": "variable",
    "errorMessage": "must be a variable, ${NAME} or ${NAME:-default}",
}
_EXTENDS = {
    "type": "string",
    "description": "another file, relative to this one, over which this one is laid",
}
_BESIDE = ("description", "default")
_LIMITS_OF_TEXT = ("const", "enum", "pattern", "minLength", "maxLength")
_IN_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_ECMA_262 = re.compile(
    r"""(?x)
    (?: ( \\[dDsSwWbBfnrtv0^$\\.*+?()\[\]{}|/] | \\x[0-9a-fA-F]{2} | \\u[0-9a-fA-F]{4}
        | \[\^? ( \\[dDsSwWbfnrtv0^$\\.*+?()\[\]{}|/-] | [^\]\[\\] )* \]
        | [^\\\[\](){}|*+?] | \) )
        ( ( [*+?] | \{[0-9]+(,[0-9]*)?\} ) \?? (?![*+?{]) )?
    | \( (\?(:|=|!|<=|<!))? (?![*+?{])
    | \|
    )*"""
)
"""The patterns that mean the same in Python, in Rust and, with the flag u, in an editor."""


def experiment_json_schema() -> Schema:
    """JSON Schema (2020-12) of the whole file, with the parameters of every registered plugin.

    ``"${VARIABLE}"`` is accepted for any value. A file with ``extends`` may leave anything out, and
    one with ``plugins`` may name plugins that are not registered in this process.

    A node is checked by the plugin that it names, so that an editor completes and marks what
    belongs to that plugin; ``errorMessage`` and ``enumDescriptions`` are read by editors alone.
    """
    sections = _sections()
    # JSON Schema cannot derive one definition from another ("the same, but nothing is required"),
    # so that each is written once per combination of these two liberties.
    whole, part = _Variant("", partial=False), _Variant("-part", partial=True)
    open_whole = _Variant("-open", partial=False, any_plugin=True)
    open_part = _Variant("-open-part", partial=True, any_plugin=True)
    definitions: Schema = {}
    for variant in (whole, part, open_whole, open_part):
        definitions |= {variant.renamed(name): variant.of(it) for name, it in sections.items()}
        for registry in REGISTRIES:
            definitions |= variant.of_kind(registry)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _with_plugins(open_part, otherwise=part),
        "else": _with_plugins(open_whole, otherwise=whole),
        "$defs": definitions,
    }


def write_schema(path: Path) -> Path:
    """Write the schema, in place of one that was written before.

    Raises:
        FacesimError: the file is another one, or cannot be written.
    """
    require_own_schema(path)
    try:
        make_folder(path.parent)
        write_text(path, json.dumps(experiment_json_schema(), indent=1) + "\n")
    except OSError as error:
        raise FacesimError(f"{path} cannot be written: {in_words(error)}") from None
    return path


def require_own_schema(path: Path) -> None:
    """Raise FacesimError if the file is another one than :func:`write_schema` writes."""
    try:
        with path.open(encoding="utf-8") as file:
            own = f'"title": "{_TITLE}"' in file.read(1000)
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError):
        own = False
    if not own:
        raise FacesimError(f"{path} exists, and is no schema that facesim wrote; move it away")


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic's schema without titles, which would only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _sections() -> dict[str, Schema]:
    """The definitions of the engine's own keys as pydantic makes them, by name."""
    experiment = Experiment.model_json_schema(schema_generator=_WithoutTitles)
    definitions: dict[str, Schema] = {**experiment.pop("$defs"), "Experiment": experiment}
    experiment["properties"]["extends"] = _EXTENDS
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

    def of_kind(self, registry: Registry[Any]) -> dict[str, Schema]:
        """The definition of a kind's node, under the kind's plural, and those of its plugins."""
        node = TypeAdapter(Annotated[Spec[Any], registry])
        schema = node.json_schema(schema_generator=_WithoutTitles)
        plugins = {f"{registry.plural}.{plugin.name}": plugin for plugin in registry}
        definitions = {
            self.renamed(key): self._of_plugin(plugin, parameters)
            for (key, plugin), parameters in zip(plugins.items(), schema["anyOf"], strict=False)
        }
        described = {name: it.summary for it in registry for name in it.spellings}
        whole: Schema = {
            "title": registry.kind,
            "type": "object",
            "properties": {"name": self._names(described, described)},
        }
        if plugins:
            whole["allOf"] = [
                {"if": _named(plugin), "then": self.reference(key)}
                for key, plugin in plugins.items()
            ]
        if not self.partial:
            whole["required"] = ["name"]
        elif not self.any_plugin:  # parameters alone change those of the plugin of the other file
            alone = [self.reference(key) for key in plugins]
            whole |= {"if": {"required": ["name"]}, "else": {"anyOf": alone} if alone else False}
        bare = {name: it.summary for it in registry if not it.required for name in it.spellings}
        nodes = [whole, *self._names(bare, described)["anyOf"]]
        return definitions | {self.renamed(registry.plural): {"anyOf": nodes}}

    def _of_plugin(self, plugin: Plugin[Any], parameters: Schema) -> Schema:
        changed = self.of(parameters | {"title": f"{plugin.kind} {plugin.name}"})
        name = _spelled(plugin) | {"description": _plain(plugin.summary)}
        return changed | {"properties": {**changed["properties"], "name": name}}

    def _names(self, described: dict[str, str], known: dict[str, str]) -> Schema:
        """One of the described names, a variable, or, if any plugin will do, an unknown name."""
        names: Schema = {
            "enum": list(described),
            "enumDescriptions": [_plain(text) for text in described.values()],
            "errorMessage": f"must be one of {', '.join(described)}",
        }
        branches = [names, _VARIABLE] if described else [_VARIABLE]
        if self.any_plugin:
            # No known name, so that a registered plugin's parameters are still checked.
            branches.append({"type": "string", "not": {"enum": list(known)}, "title": "other"})
        return {"anyOf": branches}

    def of(self, schema: Schema) -> Schema:
        """A definition, or a part of one, rewritten for this variant."""
        if PLUGINS_OF in schema:
            # Pydantic spells all plugins of a kind out wherever a node is one of them; a reference
            # keeps the schema small, and there is one place to accept other plugins in.
            beside: Schema = {key: schema[key] for key in _BESIDE if key in schema}
            return _without_null({**self.reference(schema[PLUGINS_OF]), **beside})
        changed = {key: self._below(key, value) for key, value in schema.items()}
        if "$ref" in changed:
            changed |= self.reference(changed["$ref"].removeprefix("#/$defs/"))
        if self.partial:
            changed.pop("required", None)
        if "description" in changed:
            changed["description"] = _plain(changed["description"])
        return _or_variable(_with_plain_null(_without_null(changed)))

    def _below(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self.of(below) for name, below in value.items()}
        if key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [self.of(below) for below in value]
        if key in ("items", "additionalProperties") and isinstance(value, dict):
            return self.of(value)
        return value


def _named(plugin: Plugin[Any]) -> Schema:
    """A mapping that names a plugin."""
    return {"type": "object", "properties": {"name": _spelled(plugin)}, "required": ["name"]}


def _spelled(plugin: Plugin[Any]) -> Schema:
    return {"enum": list(plugin.spellings)} if plugin.aliases else {"const": plugin.name}


def _plain(docstring: str) -> str:
    """A docstring without its marks for code, which editors would show."""
    return docstring.replace("``", "")


def _without_null(schema: Schema) -> Schema:
    """Without a default of null, which an editor would fill in with a key."""
    return {key: it for key, it in schema.items() if (key, it) != ("default", None)}


def _with_plain_null(schema: Schema) -> Schema:
    """``anyOf`` of a type and null as a list of types; the null that remains gets a title.

    Of a failed `anyOf` an editor reports every branch, and it takes two branches without title for
    one and the same.
    """
    branches = schema.get("anyOf", ())
    if {"type": "null"} not in branches:
        return schema
    others = [branch for branch in branches if branch != {"type": "null"}]
    if len(others) == 1 and isinstance(others[0].get("type"), list):  # a scalar, or a variable
        (scalar,) = others
        types = [*scalar["type"], "null"]
        rest = {key: it for key, it in schema.items() if key != "anyOf"}
        return {**scalar, **rest, "type": types, "errorMessage": _expected(types)}
    return schema | {"anyOf": [*others, {"type": "null", "title": "null"}]}


def _or_variable(schema: Schema) -> Schema:
    """Accept ``${VARIABLE}`` besides a value, and leave out a pattern that editors cannot read."""
    if not _ECMA_262.fullmatch(schema.get("pattern", "")):
        schema = {key: it for key, it in schema.items() if key != "pattern"}
    limited = any(key in schema for key in _LIMITS_OF_TEXT)
    if schema.get("type") in ("integer", "number", "boolean") and not limited:
        types = [schema["type"], "string"]
        variable = {"pattern": _VARIABLE["pattern"], "errorMessage": _expected(types)}
        return {**schema, "type": types, **variable}
    if not limited or "title" in schema or isinstance(schema.get("type"), list):
        return schema
    beside: Schema = {key: schema.pop(key) for key in _BESIDE if key in schema}
    return {"anyOf": [schema, _VARIABLE], **beside}


def _expected(types: list[str]) -> str:
    words = [_IN_WORDS[each] for each in types if each in _IN_WORDS]
    return f"must be {', '.join(words)} or a variable such as ${{NAME:-1}}"
