"""Experiments of a configuration: each changed configuration is read and checked like a whole one.

A change names a place by a dotted path, as in ``surfaces.support.quality_floor``: keys of maps, and entries of lists by
their ``name``. Names may hold dots themselves; the longest that is there is meant. What stands there is replaced as a
whole. A path to what is not written yet is read by the types of the keys, so that defaults can be changed, too.

An experiment changes what decisions read. Accounts, listeners, bounds of the daemon and state of rows are one for all
requests, and a path to them is refused.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from lbd.config import schema
from lbd.config.compiled import Compiled
from lbd.config.experiments import ExperimentConfig
from lbd.config.hint import known, unknown
from lbd.config.load import typed
from lbd.config.tree import Path_, Tree, dotted
from lbd.model.experiment import Change, ExperimentSpec, Limits, Variant
from lbd.model.problem import ConfigError, Problem
from lbd.shapes.providers import Shape

DAY_S = 86400.0
MOST = 5  # enabled at once: a record keeps so many arms, and each makes those of the others smaller
ROOTS = ("auto", "deadlines", "models", "peak", "routing_rules", "scorer", "surfaces", "tiers")
_WHY = {
    "providers": "accounts and rows of the table are one for all requests; give the treated other weights or rules",
    "clients": "keys, budgets and limits of clients are one for all requests",
    "experiments": "no experiment is about another one",
}

Tell = Callable[[Path_, str], None]
Compile = Callable[[schema.Config, Tree], Compiled]


class _No(Exception):
    """A path that leads nowhere, or where it may not."""


def specs(
    base: Compiled, tree: Tree, shapes: Mapping[str, Shape], compile_: Compile, error: Tell, warn: Tell
) -> tuple[tuple[ExperimentSpec, ...], dict[str, Variant], list[Problem]]:
    """Return the experiments of a configuration that is good itself, what the treated of each have, and what is wrong.

    ``error`` and ``warn`` are told what is wrong at a place of the file, the list is of what the changes bring with
    them.
    """
    found, variants = [], {}
    problems: list[Problem] = []
    config = base.config
    if sum(e.enabled for e in config.experiments) > MOST:
        error(("experiments",), f"more than {MOST} are enabled: each makes the arms of the others smaller")
    for i, e in enumerate(config.experiments):
        _about(e, i, config, error, warn)
        try:
            trial = _Trial(e, i, base, tree)
            made = trial.compiled(shapes, compile_)
        except ConfigError as failed:
            problems += failed.problems
            continue
        variant = of(made)
        if variant == of(base):
            error(("experiments", i, "change"), "changes nothing: all of it is so already")
        for warning in trial.theirs(w for w in made.warnings if w not in base.warnings):
            warn(("experiments", i, "change"), warning.reason)
        found.append(trial.spec())
        variants[e.name] = variant
    return tuple(found), variants, problems


def of(compiled: Compiled) -> Variant:
    """Return what decisions read of a configuration."""
    return Variant(*(getattr(compiled, name) for name in Variant.__struct_fields__))


def _about(e: ExperimentConfig, i: int, config: schema.Config, error: Tell, warn: Tell) -> None:
    surfaces = {s.name for s in config.surfaces}
    for n, name in enumerate(e.surfaces):
        if name not in surfaces:
            error(("experiments", i, "surfaces", n), f"there is no surface {name!r}{unknown(name, surfaces)}")
    if e.by == "client" and len(config.clients) < 2:
        warn(("experiments", i, "by"), "all requests are of one client, so they are all in one arm")


class _Trial:
    """One experiment, on its way from the file. Raises ConfigError where a change leads nowhere."""

    def __init__(self, config: ExperimentConfig, i: int, base: Compiled, tree: Tree) -> None:
        self._config = config
        self._at: Path_ = ("experiments", i, "change")
        self._tree = tree
        self._base = base
        self._value = {key: copy.deepcopy(v) for key, v in tree.value.items() if key != "experiments"}
        self._paths: dict[str, Path_] = {}
        problems = []
        for text, value in config.change.items():
            try:
                self._paths[text] = self._resolved(text, value)
            except _No as e:
                problems.append(tree.problem((*self._at, text), str(e)))
        if problems:
            raise ConfigError(problems)
        for text, path in self._paths.items():
            _put(self._value, path, config.change[text])

    # --- paths ---------------------------------------------------------------------------------------

    def _resolved(self, text: str, value: object) -> Path_:
        root = text.partition(".")[0]
        if root not in ROOTS:
            fields = {f.encode_name for f in msgspec.structs.fields(schema.Config)}
            if root not in fields:
                raise _No(f"unknown key{unknown(root, ROOTS)}")
            why = _WHY.get(root, "it is one for all requests")
            raise _No(f"an experiment changes decisions, not {root}: {why}.{known(ROOTS)}")
        if root not in self._value and root in ("surfaces", "tiers"):  # lists are written out with their defaults
            self._value[root] = msgspec.to_builtins(getattr(self._base.config, root))
        path = _walk(inspect.type_info(schema.Config), self._value, text, (), value)
        _allowed(path)
        for other, taken in self._paths.items():
            if path[: len(taken)] == taken or taken[: len(path)] == path:
                raise _No(f"{other!r} changes the same place")
        return path

    # --- the changed configuration -------------------------------------------------------------------

    def compiled(self, shapes: Mapping[str, Shape], compile_: Compile) -> Compiled:
        """Return the configuration with the changes. Raises ConfigError, with the places of the changes."""
        changed = Tree()
        changed.value = self._value
        changed.places = dict(self._tree.places)
        for text, path in self._paths.items():
            source = (*self._at, text)
            for old in [p for p in changed.places if p[: len(path)] == path]:
                del changed.places[old]
            for old, place in self._tree.places.items():
                if old[: len(source)] == source:
                    changed.places[(*path, *old[len(source) :])] = place
        try:
            return compile_(typed(changed, {name: shape.config for name, shape in shapes.items()}), changed)
        except ConfigError as e:
            raise ConfigError(self.theirs(e.problems)) from None

    def theirs(self, problems: Any) -> list[Problem]:
        """Return problems of the changed configuration as problems of the change that brings them."""
        out = []
        for problem in problems:
            text = self._cause(problem)
            at = self._at if text is None else (*self._at, text)
            here = text is not None and problem.path == dotted(self._paths[text])
            told = self._tree.problem(at, problem.reason if here else f"{problem.path}: {problem.reason}")
            inside = text is not None and problem.place in self._places(text)
            out.append(Problem(problem.place if inside else told.place, told.path, told.reason, problem.level))
        return out

    def _cause(self, problem: Problem) -> str | None:
        if len(self._paths) == 1:
            return next(iter(self._paths))
        return next((text for text in self._paths if problem.place in self._places(text)), None)

    def _places(self, text: str) -> set[object]:
        source = (*self._at, text)
        return {place for path, place in self._tree.places.items() if path[: len(source)] == source}

    # --- the experiment ------------------------------------------------------------------------------

    def spec(self) -> ExperimentSpec:
        """Return the experiment."""
        e = self._config
        plain: dict[str, Any] = {}
        changes = []
        for text, path in self._paths.items():
            root = str(path[0])
            if root not in plain:
                plain[root] = msgspec.to_builtins(getattr(self._base.config, root))
            changes.append(Change(text, _get(plain, path), e.change[text]))
        told = (e.name, e.share, e.by, sorted(e.surfaces), changes, e.stop_if, e.confidence)
        return ExperimentSpec(
            name=e.name,
            share=e.share,
            by=e.by,
            surfaces=frozenset(e.surfaces),
            changes=tuple(changes),
            stop_if=Limits(**msgspec.structs.asdict(e.stop_if)),
            confidence=e.confidence,
            max_s=None if e.max_days is None else e.max_days * DAY_S,
            enabled=e.enabled,
            key=hashlib.blake2b(msgspec.json.encode(told, order="deterministic"), digest_size=8).hexdigest(),
        )


def _allowed(path: Path_) -> None:
    """Raise where a place is not what a decision reads."""
    root, depth = path[0], len(path)
    if root == "tiers" and (depth < 3 or path[2] != "ttft_p95_s"):
        raise _No("of a tier only ttft_p95_s can be changed: its name and error_rate_max are about rows, not requests")
    if root == "peak" and (depth < 2 or path[1] != "weights"):
        raise _No("peak hours are the same for all requests: only peak.weights can be changed")
    if root == "surfaces":
        if depth < 3:
            raise _No("name the key of the surface that is changed")
        if path[2] in ("name", "budget"):
            raise _No(f"an experiment changes decisions, not accounts: a surface has one {path[2]}")
        if path[2] == "evaluate":
            raise _No("the answers of both arms must be scored alike")


def _walk(kind: inspect.Type, value: object, rest: str, path: Path_, new: object) -> Path_:
    """Return the path that ``rest`` means below ``path``, where ``value`` stands, if anything; ``new`` is to come."""
    while isinstance(kind, inspect.UnionType | inspect.Metadata):
        inner = [kind.type] if isinstance(kind, inspect.Metadata) else list(kind.types)
        deep = [t for t in inner if isinstance(t, _DEEP)]
        kind = (deep or inner)[0]
    if not rest:
        return path
    if isinstance(kind, inspect.StructType):
        key, _, below = rest.partition(".")
        types = {field.encode_name: field.type for field in kind.fields}
        if key not in types:
            raise _No(f"there is no key {key!r}{unknown(key, types)}")
        return _walk(types[key], _at(value, key), below, (*path, key), new)
    if isinstance(kind, inspect.DictType):
        keys = list(value) if isinstance(value, dict) else []
        name = _longest(rest, keys)
        if name is None:
            if isinstance(kind.value_type, inspect.StructType) and not isinstance(new, dict):
                raise _No(_nobody(rest, path, keys))
            name = rest
        return _walk(kind.value_type, _at(value, name), rest[len(name) + 1 :], (*path, name), new)
    if isinstance(kind, inspect.ListType) and isinstance(kind.item_type, inspect.StructType):
        names = [str(_at(entry, "name")) for entry in value] if isinstance(value, list) else []
        name = _longest(rest, names)
        if name is None:
            raise _No(_nobody(rest, path, names))
        i = names.index(name)
        entry = value[i] if isinstance(value, list) else None
        return _walk(kind.item_type, entry, rest[len(name) + 1 :], (*path, i), new)
    raise _No(f"nothing stands below {dotted(path)}: it is one value")


_DEEP = (inspect.StructType, inspect.DictType, inspect.ListType, inspect.UnionType, inspect.Metadata)


def _nobody(rest: str, path: Path_, names: Sequence[str]) -> str:
    meant_ = rest.rpartition(".")[0] or rest
    return f"there is no {meant_!r} in {dotted(path)}{unknown(meant_, names)}"


def _longest(rest: str, names: Sequence[str]) -> str | None:
    """Return the longest of the names that the rest of a path begins with."""
    return max((n for n in names if rest == n or rest.startswith(f"{n}.")), key=len, default=None)


def _at(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _get(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key] if isinstance(key, int) else _at(value, key)
    return value


def _put(value: Any, path: Path_, new: object) -> None:
    for key in path[:-1]:
        if isinstance(value, dict) and not isinstance(value.get(key), dict | list):
            value[key] = {}
        value = value[key]
    value[path[-1]] = copy.deepcopy(new)
