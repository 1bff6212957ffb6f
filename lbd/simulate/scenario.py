"""What a day is like: the traffic, how fast each deployment answers, and what befalls providers. Read from YAML.

traffic: {peak_hour: 14, trough: 0.2, input_tokens: 600, output_tokens: 250, stream: 0.7, background: 0.1}
deployments:
  openai/gpt-4.1: {ttft_s: 0.6, tokens_per_s: 80, error_share: 0.002}
providers:
  local-a: {slots: 4, requests_per_min: 600}
events:
  - {at_h: 9.5, for_min: 20, provider: openai, what: outage}
  - {at_h: 14, for_min: 60, provider: local-a, what: brownout, slow: 5}
  - {at_h: 18, for_min: 10, provider: openai, what: errors, share: 0.3}
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from lbd.config.tree import parse
from lbd.model.problem import ConfigError, Problem
from lbd.model.units import Seconds

T = TypeVar("T")
_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Count = Annotated[int, msgspec.Meta(ge=1)]
What = Literal["outage", "hang", "brownout", "errors"]
SLOW = 5.0
_FLAG = re.compile(r"(?P<provider>[a-z0-9._-]+)@(?P<at>[0-9.]+)h\+(?P<for>[0-9.]+)m(?:x(?P<much>[0-9.]+))?")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No unknown keys."""


class Traffic(Strict, frozen=True):
    """Who asks, when and for how much.

    The rate follows a cosine over the day: highest at ``peak_hour``, ``trough`` of that twelve hours away. Sizes are
    log-normal around their medians, with ``spread`` the standard deviation of their logarithms. ``models``: what is
    asked for, by weight; ``clients``: of the configuration, by weight.
    """

    peak_hour: Annotated[float, msgspec.Meta(ge=0, lt=24)] = 14.0
    trough: _Share = 0.2
    input_tokens: _Count = 600
    output_tokens: _Count = 250
    spread: Annotated[float, msgspec.Meta(ge=0, le=3)] = 0.7
    stream: _Share = 0.7
    background: _Share = 0.05
    hard: _Share = 0.3  # of prompts, that gain from a strong model
    models: dict[str, _Positive] = msgspec.field(default_factory=lambda: {"auto": 1.0})
    clients: dict[str, _Positive] = {}


class Speed(Strict, frozen=True):
    """How a deployment answers; what is left out is as its tier's target has it."""

    ttft_s: _Positive | None = None
    input_tokens_per_s: _Positive = 10_000.0  # how fast prompts are read
    tokens_per_s: _Positive = 60.0
    spread: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.3
    error_share: _Share = 0.002


class Capacity(Strict, frozen=True):
    """What a provider takes at once, and in a minute."""

    slots: _Count | None = None
    requests_per_min: _Count | None = None


class Event(Strict, frozen=True):
    """What befalls a provider: nobody listens, nothing is said, all takes ``slow`` times as long, ``share`` fails."""

    at_h: Annotated[float, msgspec.Meta(ge=0)]
    for_min: _Positive
    provider: str
    what: What
    slow: _Positive = SLOW
    share: _Share = 0.5

    @property
    def begins_s(self) -> Seconds:
        """Seconds from the day's beginning."""
        return self.at_h * 3600

    @property
    def ends_s(self) -> Seconds:
        """Seconds from the day's beginning."""
        return self.begins_s + self.for_min * 60


class Scenario(Strict, frozen=True):
    """See the module."""

    traffic: Traffic = Traffic()
    deployments: dict[str, Speed] = {}
    providers: dict[str, Capacity] = {}
    events: tuple[Event, ...] = ()


def read(path: Path) -> Scenario:
    """Read a scenario. Raises ConfigError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as e:
        raise ConfigError([Problem(None, "", f"{path}: cannot be read: {getattr(e, 'strerror', None) or e}")]) from None
    tree = parse(text, str(path))
    try:
        return msgspec.convert(tree.value, Scenario)
    except msgspec.ValidationError as e:
        reason, _, where = str(e).partition(" - at `$")
        path_ = _path(where.rstrip("`"), tree.value)
        raise ConfigError([tree.problem(path_, reason)]) from None


def _path(where: str, value: Any) -> tuple[str | int, ...]:
    """Return the path that msgspec names; of a map it says only that it is within it."""
    out: list[str | int] = []
    for word in re.findall(r"\[(\d+|\.\.\.)\]|\.(\w+)", where):
        part: str | int = word[1] or (int(word[0]) if word[0].isdigit() else "...")
        if part == "..." or not isinstance(value, dict | list):
            break
        out.append(part)
        try:
            value = value[part]  # type: ignore[index]  # as the tree has it
        except (KeyError, IndexError, TypeError):
            break
    return tuple(out)


def event(what: What, text: str) -> Event:
    """Return an event as a flag tells it: ``provider@9.5h+20m``, and ``x5`` for how slow, or ``x0.3`` for the share.

    Raises ValueError.
    """
    found = _FLAG.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} must be like openai@9.5h+20m{'x5' if what == 'brownout' else ''}")
    much: dict[str, Any] = {}
    if found["much"] is not None:
        much = {"slow": float(found["much"])} if what == "brownout" else {"share": float(found["much"])}
    given = {"at_h": float(found["at"]), "for_min": float(found["for"]), "provider": found["provider"], "what": what}
    try:
        return msgspec.convert({**given, **much}, Event)
    except msgspec.ValidationError as e:
        raise ValueError(f"{text!r}: {e}") from None


def check(
    scenario: Scenario, deployments: Collection[str], providers: Collection[str], clients: Collection[str]
) -> None:
    """Check that what is named is in the configuration. Raises ConfigError."""
    named: list[tuple[str, str, Collection[str], Collection[str]]] = [
        ("deployments", "deployment", scenario.deployments, deployments),
        ("providers", "provider", scenario.providers, providers),
        ("events", "provider", [e.provider for e in scenario.events], providers),
        ("traffic.clients", "client", scenario.traffic.clients, clients),
    ]
    problems = [
        Problem(None, where, f"the configuration has no {what} {name!r}: it has {', '.join(sorted(known)) or 'none'}")
        for where, what, names, known in named
        for name in names
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
