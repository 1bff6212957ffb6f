"""``lbd completion``: the words of the command line for bash, zsh and fish, made from the parsers themselves."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable

from lbd.cli import grammar
from lbd.cli.grammar import Command, Option
from lbd.cli.main import COMMANDS, parser

SHELLS = ("bash", "zsh", "fish")
_INSTALL = """where a shell looks for it:
  bash  /usr/share/bash-completion/completions/lbd, or: source <(lbd completion bash)
  zsh   a file _lbd in a folder of $fpath
  fish  ~/.config/fish/completions/lbd.fish"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{_INSTALL}\n\nexit status: 0 printed; 2 wrong arguments"
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    """Print it."""
    print(script(args.shell), end="")
    return 0


def tree() -> Command:
    """Return the whole command line."""
    return grammar.read(parser(*COMMANDS), ("lbd",))


def script(shell: str) -> str:
    """Return what a shell reads."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](tree())


def _case(patterns: Iterable[str], body: str) -> str:
    return f"        {'|'.join(shlex.quote(p) if ' ' in p else p for p in patterns)}) {body} ;;\n"


def _values(root: Command) -> tuple[dict[tuple[str, ...], list[str]], list[str], list[str]]:
    """Return the options that take one of some words, a file, anything else, each with its command before it."""
    words: dict[tuple[str, ...], list[str]] = {}
    files: list[str] = []
    free: list[str] = []
    for command in root.every():
        for option in command.options:
            asked = [f"{' '.join(command.words)} {flag}" for flag in option.flags]
            if option.choices:
                words.setdefault(option.choices, []).extend(asked)
            elif option.takes is not None:
                (files if option.file else free).extend(asked)
    return words, files, free


def _offered(command: Command) -> list[tuple[str, str]]:
    """Return what can follow a command: commands, arguments out of some words, options; each with what it means."""
    return [
        *((c.words[-1], c.text) for c in command.commands),
        *((word, a.text) for a in command.arguments for word in a.choices),
        *((max(o.flags, key=len), o.text) for o in command.options),
    ]


def _takes_files(command: Command) -> bool:
    return any(a.file or a.takes in ("FILE", "DATA") for a in command.arguments)


def _bash(root: Command) -> str:
    words, files, free = _values(root)
    below = [" ".join(c.words) for c in root.every() if len(c.words) > 1]
    out = [
        "# lbd for bash. Made by: lbd completion bash\n\n_lbd() {\n",
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=lbd words='' i\n",
        '    for ((i = 1; i < COMP_CWORD; i++)); do\n        case "$at ${COMP_WORDS[i]}" in\n    ',
        _case(below, 'at="$at ${COMP_WORDS[i]}"'),
        '        esac\n    done\n    case "$at $prev" in\n',
        *(_case(of, f"words={shlex.quote(' '.join(choices))}") for choices, of in words.items()),
        _case(files, 'mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return'),
        _case(free, "return"),
        '    esac\n    [ -n "$words" ] || case "$at" in\n',
    ]
    for command in root.every():
        offered = " ".join(word for word, _ in _offered(command))
        more = (
            '; [ "${cur#-}" = "$cur" ] && mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
            if _takes_files(command)
            else ""
        )
        out.append(_case([" ".join(command.words)], f"words={shlex.quote(offered)}{more}"))
    out.append(
        '    esac\n    local found\n    mapfile -t found < <(compgen -W "$words" -- "$cur")\n'
        '    COMPREPLY+=("${found[@]}")\n}\n\ncomplete -o filenames -F _lbd lbd\n'
    )
    return "".join(out)


def _zsh(root: Command) -> str:
    words, files, free = _values(root)
    below = [" ".join(c.words) for c in root.every() if len(c.words) > 1]

    def listed(pairs: Iterable[tuple[str, str]]) -> str:
        entries = (f"{word.replace(':', chr(92) + ':')}:{text}" if text else word for word, text in pairs)
        return f"entries=({' '.join(map(shlex.quote, entries))})"

    out = [
        "#compdef lbd\n# lbd for zsh. Made by: lbd completion zsh\n\n_lbd() {\n",
        "    local at=lbd i\n    local -a entries\n",
        '    for ((i = 2; i < CURRENT; i++)); do\n        case "$at ${words[i]}" in\n    ',
        _case(below, 'at="$at ${words[i]}"'),
        '        esac\n    done\n    case "$at ${words[CURRENT-1]}" in\n',
        *(
            _case(of, f"{listed((c, '') for c in choices)}; _describe value entries; return")
            for choices, of in words.items()
        ),
        _case(files, "_files; return"),
        _case(free, "return"),
        '    esac\n    case "$at" in\n',
    ]
    for command in root.every():
        more = "; _files" if _takes_files(command) else ""
        out.append(_case([" ".join(command.words)], f"{listed(_offered(command))}{more}"))
    out.append('    esac\n    _describe lbd entries\n}\n\n_lbd "$@"\n')
    return "".join(out)


def _fish(root: Command) -> str:
    below = " ".join(shlex.quote(" ".join(c.words)) for c in root.every() if len(c.words) > 1)
    out = [
        "# lbd for fish. Made by: lbd completion fish\n\n",
        "function __lbd_at --description 'which command the line is at'\n    set -l at lbd\n",
        "    for word in (commandline -opc)[2..-1]\n",
        f'        contains -- "$at $word" {below}; and set at "$at $word"\n',
        '    end\n    test "$at" = "$argv[1]"\nend\n\ncomplete -c lbd -f\n',
    ]
    for command in root.every():
        at = f"-n {shlex.quote('__lbd_at ' + shlex.quote(' '.join(command.words)))}"
        out += [f"complete -c lbd {at} -a {c.words[-1]} -d {shlex.quote(c.text)}\n" for c in command.commands]
        chosen = [" ".join(a.choices) for a in command.arguments if a.choices]
        out += [f"complete -c lbd {at} -a {shlex.quote(words)}\n" for words in chosen]
        if _takes_files(command):
            out.append(f"complete -c lbd {at} -F\n")
        out += [f"complete -c lbd {at} {_fish_option(option)}\n" for option in command.options]
    return "".join(out)


def _fish_option(option: Option) -> str:
    flags = [f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in option.flags]
    value = ""
    if option.choices:
        value = f" -x -a {shlex.quote(' '.join(option.choices))}"
    elif option.takes is not None:
        value = " -r -F" if option.file else " -x"
    return f"{' '.join(flags)}{value} -d {shlex.quote(option.text)}"
