"""A configuration as YAML that a person would write: short maps on one line, notes as comments before it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 116  # characters: what is longer on one line is written in lines
_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9 _./@+:~-]*[A-Za-z0-9_./@+-])?")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})  # YAML 1.1's, to be safe anywhere


def yaml_text(config: Mapping[str, Any], head: Iterable[str] = ()) -> str:
    """Return a configuration as YAML, with the lines of ``head`` as comments before it."""
    comments = [f"# {line}".rstrip() for text in head for line in text.splitlines() or [""]]
    parts = ["\n".join(_entry(key, value, 0, top=True)) for key, value in config.items()]
    return "\n\n".join((["\n".join(comments)] if comments else []) + parts) + "\n"


def _entry(key: str, value: object, indent: int, *, top: bool = False) -> list[str]:
    """Return ``key: value`` in lines; at the top a map or a list of maps is never put on one line."""
    pad = " " * indent
    flow = f"{pad}{_scalar(key)}: {_flow(value) if isinstance(value, dict | list) else _scalar(value)}"
    if not isinstance(value, dict | list) or not value:
        return [flow]
    deep = any(isinstance(v, dict | list) for v in (value.values() if isinstance(value, dict) else value))
    if len(flow) <= WIDTH and not (deep and (top or not isinstance(value, dict))):
        return [flow]
    return [f"{pad}{_scalar(key)}:", *_block(value, indent + 2)]


def _block(value: dict[str, Any] | list[Any], indent: int) -> list[str]:
    if isinstance(value, dict):
        return [line for key, of in value.items() for line in _entry(key, of, indent)]
    out: list[str] = []
    for item in value:
        flow = f"{' ' * indent}- {_flow(item)}"
        if not isinstance(item, dict | list) or (len(flow) <= WIDTH and "deployments" not in item):
            out.append(flow)
        else:
            lines = _block(item, indent + 2)
            out += [f"{' ' * indent}- {lines[0].lstrip()}", *lines[1:]]
    return out


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k, flow=True)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value, flow=True)


def _scalar(value: object, *, flow: bool = False) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.12f}".rstrip("0")
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS and ": " not in text
    return text if plain and not (flow and ":" in text) else json.dumps(text, ensure_ascii=False)
