"""The page of the published JSON Schemas: a table of keys for each object that a file may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import offloadlib.instances.files.published as published

INTRODUCTION = """\
# Schemas

The published JSON Schemas (draft 2020-12), one for each format and version: files to validate with, and what
they say. Lengths are numbers of characters or entries. What a schema cannot say, such as that an id must be
known, readers check as well ([formats](../formats.md)).
"""

SHOWN = {"instance": 0, "solution": 1, "certificate": 2, "frames": 3}

Schema = Mapping[str, Any]


def page(folder: Path, link: str) -> str:
    """The page, as Markdown, of the schemas in a folder, which ``link`` leads to."""
    parts = [INTRODUCTION]
    for path in sorted(
        folder.glob("*.json"), key=lambda path: (SHOWN[path.name.partition("-")[0]], path.name)
    ):
        schema = json.loads(path.read_text("utf-8"))
        name, _, version = path.name.removesuffix(".schema.json").rpartition("-")
        parts.append(f"\n## {name.capitalize()}, version {version}\n\n{_text(schema)}\n\n")
        parts.append(f"Schema: [{path.name}]({link}/{path.name})\n")
        parts.append(_keys(schema) if "properties" in schema else f"\nOne of {_kind(schema)}.\n")
        for title, inner in sorted(schema["$defs"].items()):
            parts.append(f"\n### {title}, in {name} {version}\n\n{_text(inner)}\n")
            parts.append(_keys(inner) if inner.get("properties") else f"\nA value: {_kind(inner)}.\n")
    return "".join(parts)


def write(path: Path) -> None:
    """Write the page, unless it is there: a page that is as new as it was is not read again."""
    text = page(published.SCHEMA_FOLDER, "../../../offloadlib/instances/schemas")
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def _text(schema: Schema) -> str:
    return str(schema.get("description", "")).replace("``", "`")


def _keys(schema: Schema) -> str:
    """The keys of an object."""
    rows = ["\n| key | value | |\n|---|---|---|\n"]
    for key, value in schema["properties"].items():
        default = json.dumps(value["default"]) if "default" in value else ""
        needed = (
            "required" if key in schema.get("required", ()) else f"default `{default}`" if default else ""
        )
        said = "; ".join(filter(None, [needed, _text(value).replace("\n", " ").replace("|", "\\|")]))
        rows.append(f"| `{key}` | {_kind(value)} | {said} |\n")
    return "".join(rows)


def _kind(schema: Schema) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(one) for one in several))
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        inner = _kind(schema["items"]) if "items" in schema else "anything"
        size = _range(schema, "Items")
        several = " or " in inner or ", " in inner
        return f"list{size}{',' * bool(size)} of {f'({inner})' if several else inner}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return kind + _range(schema, "imum") + (_range(schema, "Length") if kind == "string" else "")


def _range(schema: Schema, what: str) -> str:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low:g}"
    return f", at most {high:g}" if low is None else f", {low:g}" if low == high else f", {low:g} to {high:g}"
