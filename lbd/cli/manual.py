"""``lbd manual``: the manual pages lbd(8) and lbd.yaml(5), made from the parsers and from the schema."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lbd import __version__
from lbd.cli.admin_address import REFUSED, UNREACHABLE, USUAL_SOCKET
from lbd.cli.completion import tree
from lbd.cli.grammar import Command, Option
from lbd.cli.main import DEFAULT_CONFIG, UNREAD

DATE = "2026-11-27"  # of the pages; it goes on with each version, so that they can be made again to the byte
LONGEST = 80  # bytes of a line of input; a longer one is bad style to mandoc
PAGES = ("lbd.8", "lbd.yaml.5")
_ENVIRONMENT = (
    ("LBD_ADMIN", "where the admin API is, as --admin says it"),
    ("LBD_ADMIN_TOKEN", "the admin token, where no --token-file names one"),
    ("LBD_ADMIN_CA_FILE", "authorities that an https address is trusted by, where no --ca-file names them"),
    ("LBD_ADMIN_CERT_FILE", "the commands' own certificate and key, where no --cert-file names them"),
    ("NO_COLOR", "if set to anything, nothing is coloured"),
    ("COLUMNS", "how wide tables and help texts may be"),
    ("CREDENTIALS_DIRECTORY", "where {credential: NAME} is looked for; set by systemd"),
)
_STATUSES = (
    ("0", "done"),
    (str(REFUSED), "refused or failed; the last line on stderr says why and what to do"),
    ("2", "wrong arguments; of check and adapt with --strict: warnings; of status: no deployment can serve"),
    (str(UNREACHABLE), "the daemon cannot be reached"),
    ("130", "interrupted"),
    (str(UNREAD), "nobody read the output to its end"),
)
_FILES = (
    (DEFAULT_CONFIG, "the configuration; see lbd.yaml(5)"),
    ("/etc/lbd/conf.d/", "further parts of it, by name"),
    ("/var/lib/lbd/state.db", "state, ledger, queue"),
    (USUAL_SOCKET, "the admin API; who may open it may change things"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "exit status: 0 printed; 2 wrong arguments. To read one: lbd manual lbd.8 | man -l -"
    parser.add_argument("page", choices=PAGES)


def run(args: argparse.Namespace) -> int:
    """Print a page."""
    print(page(args.page), end="")
    return 0


def page(name: str) -> str:
    """Return a page in the language of man(7)."""
    lines = _commands() if name == "lbd.8" else _keys()
    return "\n".join(lines) + "\n"


# --- lbd(8) ----------------------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    root = tree()
    yield _head("LBD", 8)
    yield from (".SH NAME", r"lbd \- health\-aware load balancer daemon for LLM providers", ".SH SYNOPSIS")
    yield from (".B lbd", r".I command", r"[\fIoption\fR ...]", ".SH DESCRIPTION")
    yield _text(
        "Applications talk to lbd as if it were OpenAI or Anthropic. It keeps a live table of every provider it can"
        " reach, and sends each request to the best healthy deployment that meets its bounds; what fails before the"
        " first content is moved to the next one. The daemon is lbd run; the other commands look at a running daemon,"
        " order something of it, or check what it will read."
    )
    yield ".SH COMMANDS"
    for command in root.every():
        if len(command.words) > 1:
            yield from _command(command)
    yield ".SH EXIT STATUS"
    yield from _terms(_STATUSES)
    yield ".SH ENVIRONMENT"
    yield from _terms(_ENVIRONMENT)
    yield ".SH FILES"
    yield from _terms(_FILES)
    yield from (".SH SEE ALSO", r"\fBlbd.yaml\fR(5), \fBsystemctl\fR(1)")


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_escaped(' '.join(command.words))}"
    used = [f"\\fB{_escaped(' '.join(command.words))}\\fR"]
    used += [_used(o) for o in command.options if "--help" not in o.flags]
    used += [f"[{_value(a)}]" if not a.required and not a.choices else _value(a) for a in command.arguments]
    if command.commands:
        used.append(r"\fIaction\fR ...")
    yield from (
        _wrapped(" ".join(used)),
        ".PP",
        _text(f"{command.text[:1].upper()}{command.text[1:]}.".replace("..", ".")),
    )
    for option in (*command.arguments, *command.options):
        if "--help" not in option.flags:
            flags = ", ".join(f"\\fB{_escaped(f)}\\fR" for f in option.flags)
            value = _value(option) if option.takes is not None else ""
            yield from (".TP", f"{flags} {value}".strip())
            yield _text(option.text or ("one of " + ", ".join(option.choices) if option.choices else "see above"))
    if command.epilog and len(command.words) == 2:
        yield from (".PP", _text(command.epilog))


def _used(option: Option) -> str:
    flag = f"\\fB{_escaped(max(option.flags, key=len))}\\fR"
    whole = flag if option.takes is None else f"{flag} {_value(option)}"
    return whole if option.required else f"[{whole}]"


def _value(option: Option) -> str:
    return f"\\fI{_escaped(option.takes or '')}\\fR" + (" ..." if option.repeated and not option.flags else "")


# --- lbd.yaml(5) -----------------------------------------------------------------------------------------


def _keys() -> Iterator[str]:
    from lbd.cli.schema import configuration  # as slow as msgspec's schema, which the other page does not need

    schema = configuration()
    definitions: dict[str, Any] = schema["$defs"]
    root = str(schema["$ref"]).rpartition("/")[2]
    yield _head("LBD.YAML", 5)
    yield from (".SH NAME", r"lbd.yaml \- configuration of lbd", ".SH DESCRIPTION")
    yield _text(
        "YAML, of which JSON is a subset. Files in conf.d beside the main one are merged in: maps by key, lists by"
        " name. Unknown keys, keys that are set twice and wrong units are errors, told with file, line and column by"
        " lbd check. Units are in the names of the keys: _s seconds, _ms milliseconds, _usd US dollars, _per_mtok a"
        " million tokens. A secret is a reference: {env: NAME}, {file: /path}, read again at every reload, or"
        " {credential: NAME}, which systemd passes."
    )
    done: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop(0)
        if name in done or "properties" not in definitions.get(name, {}):
            continue
        done.add(name)
        definition = definitions[name]
        yield ".SH TOP LEVEL" if name == root else f".SH {_escaped(_title(name))}"
        yield _text(definition.get("description") or "")
        required = definition.get("required", ())
        for key, of in definition["properties"].items():
            if key != "$schema":
                default = _default(of, needed=key in required)
                yield from (".TP", f"\\fB{_escaped(key)}\\fR {_escaped(_kind(of))}{default}")
                yield _text(of.get("description") or "see the table of this name")
                waiting += _named(of)
    yield from (".SH EXAMPLE", ".nf", *map(_escaped, _EXAMPLE), ".fi")
    yield from (".SH SEE ALSO", r"\fBlbd\fR(8)")


_EXAMPLE = (
    "providers:",
    "  - name: local",
    "    shape: llamacpp",
    "    base_url: http://127.0.0.1:8000/v1",
    "    deployments: [{model: my-model}]",
)


def _title(struct: str) -> str:
    """Return a heading: words in capitals, without what every struct's name ends in."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", struct.removesuffix("Config")).upper()


def _named(of: dict[str, Any]) -> list[str]:
    """Return the structs that a value may be made of."""
    found = [str(of["$ref"]).rpartition("/")[2]] if "$ref" in of else []
    for part in (of.get("items"), of.get("additionalProperties"), *of.get("anyOf", ())):
        if isinstance(part, dict):
            found += _named(part)
    return found


def _kind(of: dict[str, Any]) -> str:
    """Return what a value is, in words."""
    if "$ref" in of:
        return _title(str(of["$ref"]).rpartition("/")[2]).lower()
    if "enum" in of:
        return " | ".join(map(str, of["enum"]))
    if "anyOf" in of:
        return " | ".join(dict.fromkeys(_kind(part) for part in of["anyOf"]))
    kind = str(of.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(of.get('items') or {})}"
    if kind == "object":
        more = of.get("additionalProperties")
        return f"map to {_kind(more)}" if isinstance(more, dict) else "map"
    return {"integer": "whole number", "string": "text", "boolean": "true | false", "null": "null"}.get(kind, kind)


def _default(of: dict[str, Any], *, needed: bool) -> str:
    if needed:
        return " (needed)"
    default = of.get("default")
    if isinstance(default, bool):
        return f" ({str(default).lower()})"
    return f" ({_escaped(str(default))})" if isinstance(default, str | int | float) and str(default) else ""


# --- man(7) ----------------------------------------------------------------------------------------------


# What groff would set as typographic signs, where a person must be able to copy what stands there.
_SIGNS = {
    "\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "~": r"\(ti", "^": r"\(ha", '"': r"\(dq",
}  # fmt: skip


def _head(name: str, section: int) -> str:
    return f'.\\" Made by: lbd manual {name.lower()}.{section}\n.TH {name} {section} {DATE} "lbd {__version__}" "lbd"'


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield from (".TP", f"\\fB{_escaped(term)}\\fR", _text(f"{text}."))


def _text(text: str) -> str:
    """Return a paragraph; a line that begins with a dot would be an order."""
    return _wrapped(_escaped(" ".join(text.split())))


def _wrapped(line: str) -> str:
    """Break a line of input where it has spaces, as man(7) wants its input."""
    out: list[str] = []
    for word in line.split(" "):
        if out and len(out[-1]) + 1 + len(word) < LONGEST:
            out[-1] += f" {word}"
        else:
            out.append(f"\\&{word}" if out and word.startswith(".") else word)
    return "\n".join(out)


def _escaped(text: str) -> str:
    text = "".join(_SIGNS.get(c, c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)
    return f"\\&{text}" if text.startswith((".", "\\(aq")) else text
