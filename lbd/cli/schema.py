"""``lbd schema``: the JSON Schema (2020-12) of the configuration, for editors, or of the dashboard's document.

Titles and descriptions are the docstrings of the structs: the first paragraph describes the struct, a line
``key: what it means`` after it describes that key. A provider shape inherits what its base says of its keys.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

import msgspec

from lbd import plugins
from lbd.config.schema import EDITOR_KEY, full
from lbd.model.report import ProvidersOut
from lbd.model.secret import SecretRef

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KEY = re.compile(r"^(\w+): (.+(?:\n +.+)*)$", re.MULTILINE)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "exit status: 0 printed; 2 wrong arguments"
    parser.add_argument(
        "of",
        nargs="?",
        choices=("config", "providers"),
        default="config",
        help="config: the configuration file (default); providers: what GET /v1/providers answers",
    )


def configuration() -> dict[str, Any]:
    """Return the schema of a configuration with every registered provider shape."""
    kinds = {name: shape.config for name, shape in plugins.load().shapes.items()}
    root = full(kinds)
    schema = _described(root)
    definitions = schema["$defs"]
    definitions[root.__name__]["properties"][EDITOR_KEY] = {
        "description": "where this schema is, for editors",
        "type": "string",
    }
    definitions[SecretRef.__name__] |= {"minProperties": 1, "maxProperties": 1}
    return {"$schema": DIALECT, "title": "lbd configuration", **schema}


def dashboard() -> dict[str, Any]:
    """Return the schema of the dashboard's document."""
    return {"$schema": DIALECT, "title": "lbd providers", **_described(ProvidersOut)}


def _described(root: type[msgspec.Struct]) -> dict[str, Any]:
    """Return msgspec's schema of a struct, each description moved to the key that it speaks of."""
    schema = msgspec.json.schema(root)
    structs = {struct.__name__: struct for struct in _structs(root, {})}
    for name, definition in schema["$defs"].items():
        if name not in structs:
            continue  # an enum
        definition["description"] = (structs[name].__doc__ or "").split("\n\n")[0]
        for key, text in _keys(structs[name]).items():
            if key in definition["properties"]:
                definition["properties"][key]["description"] = " ".join(text.split())
    return schema


def _keys(struct: type) -> dict[str, str]:
    """Return what the docstrings of a struct and its bases say of its keys."""
    docs = [cls.__dict__.get("__doc__") or "" for cls in reversed(struct.__mro__) if issubclass(cls, msgspec.Struct)]
    lines = "\n".join(re.sub(r"^ {4}", "", doc, flags=re.MULTILINE) for doc in docs)
    return dict(_KEY.findall(lines))


def _structs(kind: Any, seen: dict[Any, None]) -> dict[Any, None]:
    """Return every struct that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            seen[kind] = None
            for field in msgspec.structs.fields(kind):
                _structs(field.type, seen)
    else:
        for arg in getattr(kind, "__args__", ()):
            _structs(arg, seen)
    return seen


def run(args: argparse.Namespace) -> int:
    """Print a schema."""
    schema = configuration() if args.of == "config" else dashboard()
    print(json.dumps(schema, indent=2))
    return 0
