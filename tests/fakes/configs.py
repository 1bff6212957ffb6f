"""Configurations as texts, checked without files, and every way to spoil one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random

from lbd import plugins
from lbd.config.compile import compile_config
from lbd.config.compiled import Compiled
from lbd.config.load import typed
from lbd.config.tree import parse
from lbd.model.problem import ConfigError

ETC = Path(__file__).parents[2] / "etc"
FILE = "lbd.yaml"
LOCAL = """\
providers:
  - name: local
    shape: llamacpp
    base_url: http://127.0.0.1:8000/v1
    deployments: [{model: m}]
"""


def checked(text: str, environ: Mapping[str, str] | None = None) -> Compiled:
    """Compile a configuration given as text. Raises ConfigError."""
    known = plugins.load()
    tree = parse(text, FILE)
    return compile_config(
        typed(tree, {name: shape.config for name, shape in known.shapes.items()}),
        tree,
        shapes=known.shapes,
        terms=set(known.terms),
        probes=set(known.probes),
        environ=environ or {},
    )


def problems(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return what is wrong with a configuration, each as it is printed, without the file's name."""
    try:
        checked(text, environ)
    except ConfigError as e:
        assert all(p.place is not None and p.place.file == FILE for p in e.problems), e.problems
        return [str(p).removeprefix(f"{FILE}:") for p in sorted(e.problems, key=lambda p: p.place or ())]
    return []


def warnings(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return what is doubtful about a configuration, each as it is printed, without the file's name."""
    return [str(p).removeprefix(f"{FILE}:") for p in checked(text, environ).warnings]


def environment(text: str) -> dict[str, str]:
    """Return an environment with a key of its own for every reference in a configuration."""
    return {name: f"key-{name.lower()}" for name in re.findall(r'"?env"?: *"?(\w+)', text)}


# --- spoiling --------------------------------------------------------------------------------------------

_ODD = [
    "no", "~", "5", "-1", "0.5", "1e999", "9" * 5000, "[]", "{}", "[a, 5]", "{a: {b: c}}", "'x'", '"\\0"', "!!str 5",
    "!foo {a: 1}", "*gone", "&a [*a]", "2026-11-24", "0x1F", "1:30", "|", "<<", "auto", '"\\n"', "\ufeff", "\x07",
    "\U0001f600", "`", "@x", "%y", ": ", "#", "\t", "{", "]", '"', "null", "true", "[[[[[[[[[[[[[[[[[[[[[[",
    "{env: A, file: B}", "{env: 5}", "{credential: ../x}", "{file: /dev/zero}", "{file: '\\0'}", "http://[::1", "unix:",
    "sqlite:", "x" * 100_000,
]  # fmt: skip


def spoiled(text: str, seed: int) -> str:
    """Return the text with one to three things wrong with it (or, by luck, none)."""
    random = Random(seed)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        text = random.choice(_WAYS)(text, random)
    return text


def _delete_character(text: str, random: Random) -> str:
    i = random.randrange(len(text))
    return text[:i] + text[i + 1 :]


def _insert_character(text: str, random: Random) -> str:
    i = random.randrange(len(text))
    return text[:i] + random.choice("{}[]:,#&*!|>'\"%@`-?~\t\n \0\x7f\u2028é\U0001f600") + text[i:]


def _swap_characters(text: str, random: Random) -> str:
    i = random.randrange(len(text) - 1)
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def _cut_short(text: str, random: Random) -> str:
    return text[: random.randrange(len(text))]


def _lines(change: str) -> object:
    def way(text: str, random: Random) -> str:
        lines = text.splitlines(keepends=True)
        i, j = random.randrange(len(lines)), random.randrange(len(lines))
        if change == "delete":
            del lines[i]
        elif change == "duplicate":
            lines.insert(i, lines[i])
        elif change == "move":
            lines.insert(j, lines.pop(i))
        elif change == "indent":
            lines[i] = " " * random.randrange(1, 5) + lines[i]
        elif change == "tab":
            lines[i] = "\t" + lines[i].lstrip()
        elif change == "outdent":
            lines[i] = lines[i].lstrip()
        return "".join(lines)

    return way


def _rename_key(text: str, random: Random) -> str:
    key = random.choice(list(re.finditer(r"[\w.$-]+(?=\"?:)", text)) or [re.compile("").match(text)])
    assert key is not None
    new = random.choice(
        (
            key[0] + "s",
            key[0][:-1],
            key[0].upper(),
            "name",
            "models",
            "<<",
            "",
            "a`b",
            "experiments",
            "a - at `$.b",
            "5",
        )
    )
    return text[: key.start()] + new + text[key.end() :]


def _change_value(text: str, random: Random) -> str:
    value = random.choice(list(re.finditer(r"(?<=: )[^\n,{}\[\]#]+|(?<=- )\w+", text)) or [re.compile("").match(text)])
    assert value is not None
    return text[: value.start()] + random.choice(_ODD) + text[value.end() :]


def _swap_values(text: str, random: Random) -> str:
    found = list(re.finditer(r"(?<=: )[^\n,{}\[\]#]+", text))
    if len(found) < 2:
        return text
    one, two = sorted(random.sample(found, 2), key=lambda m: m.start())
    return text[: one.start()] + two[0] + text[one.end() : two.start()] + one[0] + text[two.end() :]


_WAYS = [
    _delete_character, _insert_character, _swap_characters, _cut_short, _rename_key, _rename_key, _change_value,
    _change_value, _change_value, _swap_values,
    *(_lines(change) for change in ("delete", "duplicate", "move", "indent", "tab", "outdent")),
]  # fmt: skip


def provider(
    more: str = "", *, name: str = "a", shape: str = "vllm", url: str = "http://127.0.0.1/v1", row: str = ""
) -> str:
    """Return a line of the providers' list; ``row`` are further keys of its deployment."""
    deployment = f"{{model: m{', ' if row else ''}{row}}}"
    rest = f", {more}" if more else ""
    return f"- {{name: {name}, shape: {shape}, base_url: '{url}', deployments: [{deployment}]{rest}}}\n"


def file(*providers: str, rest: str = "") -> str:
    """Return a configuration's text: providers from line 2 on, the rest behind them."""
    return "providers:\n" + "".join(providers or (provider(),)) + rest
