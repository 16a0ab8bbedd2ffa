"""What an experiment file may say of each built-in plugin, and what it means that says less."""

import json
from difflib import unified_diff
from pathlib import Path
from typing import Any

from facesim.discovery import load_installed_plugins
from facesim.interfaces import REGISTRIES
from facesim.registry import Plugin

load_installed_plugins()
RECORDED = Path(__file__).with_name("parameters.txt")
BOUNDS = {
    "exclusiveMinimum": ">",
    "minimum": ">=",
    "exclusiveMaximum": "<",
    "maximum": "<=",
    "minLength": "of length >=",
}


def test_plugins_have_the_names_parameters_bounds_and_defaults_that_are_recorded() -> None:
    """Files that were valid stay valid and mean the same, those that were refused stay refused.

    Plugins that are named after classes of torch take their parameters from torch.
    """
    now = [
        line
        for registry in REGISTRIES
        for plugin in registry
        if plugin.module.startswith("facesim_plugins.") and not plugin.name.startswith("torch.")
        for line in described(plugin)
    ]
    recorded = RECORDED.read_text(encoding="utf-8").splitlines()
    changes = [*unified_diff(recorded, now, RECORDED.name, "now", lineterm="", n=1)]
    assert not changes, "\n".join([f"{RECORDED} is to say what was changed on purpose:", *changes])


def described(plugin: Plugin[Any]) -> list[str]:
    more = {
        "default": plugin.default,
        "starter": bool(plugin.starter),
        "needs": ", ".join(plugin.packages),
    }
    told = (f"{key} {value}" if value is not True else key for key, value in more.items() if value)
    fields = plugin.parameters.model_json_schema()["properties"]
    return [
        "; ".join([f"{plugin.kind} {', '.join(plugin.spellings)}", *told]),
        *(
            f"    {key}: {form_of(field)}"
            + (f" = {json.dumps(field['default'])}" if "default" in field else "")
            for key, field in fields.items()
            if key != "name"
        ),
    ]


def form_of(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " | ".join(map(form_of, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "prefixItems" in schema:
        return f"[{', '.join(map(form_of, schema['prefixItems']))}]"
    if schema["type"] == "array":
        return f"[{form_of(schema['items'])}, ...]"
    bounds = (f"{sign} {schema[key]}" for key, sign in BOUNDS.items() if key in schema)
    return " ".join([schema.get("format", schema["type"]), *bounds])
