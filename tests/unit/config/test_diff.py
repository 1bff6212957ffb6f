"""What a reload changes, and what it may not change."""

from __future__ import annotations

import pytest

from lbd.config.diff import Diff, diff, forbidden
from tests.fakes.configs import checked

BASE = """\
providers:
  - {name: a, shape: vllm, base_url: "http://127.0.0.1:1/v1", api_key: {env: A}, deployments: [{model: m}, {model: n}]}
  - {name: b, shape: vllm, base_url: "http://127.0.0.1:2/v1", deployments: [{model: m}]}
admin: {token: {env: T}}
"""
ENV = {"A": "key", "B": "other", "T": "token"}


def change(*replacements: tuple[str, str], rest: str = "", environ: dict[str, str] | None = None) -> Diff:
    """Return what changes from BASE to BASE with replacements."""
    text = BASE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return diff(checked(BASE, ENV), checked(text + rest, environ or ENV))


def test_nothing_changes_where_only_the_writing_does() -> None:
    """Comments, quotes, order of keys."""
    assert change(("providers:", "# a comment\nproviders:"), ("{name: b, shape: vllm", "{shape: vllm, name: b")).empty
    assert not Diff(parts=("log",)).empty


def test_deployments_come_and_go_by_their_id() -> None:
    """In the order of the file."""
    got = change(("{model: n}", "{model: o}, {model: p}"))
    assert (got.added, got.removed, got.changed, got.parts) == (("a/o", "a/p"), ("a/n",), (), ())


def test_a_deployment_changes_with_itself_and_with_its_provider() -> None:
    """A new base URL or key changes all rows of a provider, a weight one row."""
    assert change(("{model: n}", "{model: n, weight: 2}")).changed == ("a/n",)
    assert change(("127.0.0.1:1", "127.0.0.1:9")).changed == ("a/m", "a/n")
    assert change(("{env: A}", "{env: B}")).changed == ("a/m", "a/n")


def test_a_rotated_key_is_a_change_although_the_file_is_the_same() -> None:
    """Files and variables are read again."""
    assert change(environ={**ENV, "A": "rotated"}).changed == ("a/m", "a/n")
    assert change(environ={**ENV, "T": "rotated"}).parts == ("admin.token",)


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("tiers: [{name: primary, ttft_p95_s: 2}]\n", "tiers"),
        ("routing_rules: {r: {primary: m}}\n", "rules"),
        ("models: {x: m}\n", "aliases"),
        ("surfaces: [{name: s}]\n", "surfaces"),
        ("clients: [{name: c, key: {env: A}}]\n", "clients"),
        ("deadlines: {interactive_total_s: 5}\n", "deadlines"),
        ("scorer: {weights: {cost: 1}}\n", "scorer"),
        ("probes: {kinds: [liveness]}\n", "probe_kinds"),
        ("probes: {every_s: 15}\n", "probes"),
        ("limits: {queue_size: 5}\n", "limits"),
        ("ledger: {keep_days: 5}\n", "ledger"),
        ("log: {level: debug}\n", "log"),
        ("traces: {otlp_url: http://127.0.0.1:4318}\n", "traces"),
        ("allowed_hosts: [x]\n", "allowed_hosts"),
    ],
)
def test_every_other_part_is_told_by_its_key(rest: str, part: str) -> None:
    """So that the timeline says what a reload did."""
    got = change(rest=rest)
    assert part in got.parts
    assert (got.added, got.removed, got.changed) == ((), (), ())


@pytest.mark.parametrize(
    ("rest", "key"),
    [
        ("listen: 127.0.0.1:9\n", "listen"),
        ("store: {url: memory}\n", "store"),
    ],
)
def test_what_is_bound_at_the_start_may_not_change(rest: str, key: str) -> None:
    """It is refused by its name."""
    assert forbidden(checked(BASE, ENV), checked(BASE + rest, ENV)) == [key]


def test_the_admin_listeners_may_not_change_but_the_token_may() -> None:
    """A token is rotated like any key."""
    old = checked(BASE, ENV)
    moved = BASE.replace("admin: {", "admin: {listen: '127.0.0.1:9', socket: /run/x.sock, ")
    assert forbidden(old, checked(moved, ENV)) == ["admin.listen", "admin.socket"]
    assert forbidden(old, checked(BASE, {**ENV, "T": "rotated"})) == []
    assert forbidden(old, old) == []
