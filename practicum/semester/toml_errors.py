"""A mistake in a TOML file, told so that a person can mend it: key, value, reason, cure."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
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
    expected, cure = _describe_kind(schema, location)
    return f"{key}: must be {expected}, not {_type_name(error['input'])}; {cure}"


def _describe_kind(schema: Mapping[str, Any], location: Sequence[str | int]) -> tuple[str, str]:
    """Return what the value at `location` must be, and how it is written."""
    node, above = _find_node(schema, location), location
    if isinstance(location[-1], int):
        above = location[:-1]
    name = ".".join(map(str, above))
    if "$ref" in node.get("items", {}):
        return "a list of tables", f"write [[{name}]] above the keys of each"
    if above != location and node.get("type") == "object":
        return "a table", f"write [[{name}]] above its keys"
    return EXPECTED.get(node.get("type", ""), ("a table", f"write [{name}] above its keys"))


def _find_node(schema: Mapping[str, Any], location: Iterable[str | int]) -> Mapping[str, Any]:
    """Return the schema of the value at `location`; of one that may be left out, the schema where it is not."""
    node = schema
    for part in location:
        named = node.get("properties", {}).get(part, node.get("additionalProperties") or {})
        node = node.get("items", {}) if isinstance(part, int) else named
        if "anyOf" in node:
            node = {**next(one for one in node["anyOf"] if one.get("type") != "null"), **node}
        if "$ref" in node:
            node = {**schema["$defs"][node["$ref"].rpartition("/")[2]], **node}
    return node


def render_key(location: Iterable[str | int], data: Any) -> str:
    """`appliance.memory_mb = 12`, `python.requires[3] = "torch"`; without the value where there is none to show."""
    key, value = "", data
    for part in location:
        if part == "[key]":  # pydantic's word for a mistake in the key itself
            return key
        name = str(part) if re.fullmatch(r"[\w-]+", str(part), re.ASCII) else quote(part)
        key += f"[{part}]" if isinstance(part, int) else f".{name}" if key else name
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return key
    return key if isinstance(value, dict) else f"{key} = {quote(value)}"


def quote(value: Any) -> str:
    """Return a value as TOML has it, in visible characters on one line, and not too many of them."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
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
        date: "a date",
        datetime: "a date with a time",
        time: "a time",
    }
    return names.get(type(value), type(value).__name__)
