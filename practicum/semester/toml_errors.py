"""A mistake in a TOML file, told so that a person can mend it: key, value, reason, cure."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

# JSON schema type: what it is called here, how it is written in TOML.
EXPECTED = {
    "integer": ("a whole number", "write it without quotes and point"),
    "boolean": ("true or false", "write it without quotes"),
    "string": ("text", "write it in quotes"),
    "array": ("a list of texts", 'write it like ["one", "two"]'),
}


def explain(error: Mapping[str, Any], data: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """One pydantic `error` on the file's `data` as `key = value: reason; cure`.

    `schema` is the model's JSON schema: descriptions, defaults, examples and limits of every key.
    """
    location, kind = error["loc"], error["type"]
    key = render_key(location, data)
    if kind == "practicum":
        return f"{key}: {error['msg']}"
    node = _find_node(schema, location)
    if kind == "extra_forbidden":
        siblings = _find_node(schema, location[:-1]).get("properties", {})
        known = [name for name in siblings if name != "folder"]
        return f"{key}: unknown key; " + suggest(str(location[-1]), known, f"keys here: {', '.join(known)}")
    if kind == "missing":
        example = node.get("examples", [None])[0]
        cure = f"add {location[-1]} = {quote(example)}" if example is not None else f"add the table [{location[-1]}]"
        return f"{key}: missing ({node['description']}); {cure}"
    if kind in ("greater_than_equal", "less_than_equal"):
        low, high = node["minimum"], node["maximum"]
        return f"{key}: {node['description']}, must be {low} to {high}; the default is {node['default']}"
    if kind == "literal_error":
        return f"{key}: unknown value; use {error['ctx']['expected']}"
    expected, cure = EXPECTED.get(node.get("type", ""), ("a table", "write a [table] of keys"))
    return f"{key}: must be {expected}, not {_type_name(error['input'])}; {cure}"


def _find_node(schema: Mapping[str, Any], location: Iterable[str | int]) -> Mapping[str, Any]:
    node = schema
    for part in location:
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        if "$ref" in node:
            node = {**schema["$defs"][node["$ref"].rpartition("/")[2]], **node}
    return node


def render_key(location: Iterable[str | int], data: Any) -> str:
    """`appliance.memory_mb = 12`, `python.requires[3] = "torch"`; without the value where there is none to show."""
    key, value = "", data
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return key
    return key if isinstance(value, dict) else f"{key} = {quote(value)}"


def quote(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def suggest(name: str, known: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def _type_name(value: Any) -> str:
    names = {
        bool: "true/false",
        int: "a number",
        float: "a decimal number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), type(value).__name__)
