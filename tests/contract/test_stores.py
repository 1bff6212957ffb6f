"""The laws of every registered store."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.ports import Store
from lbd.store import STORES

STORES.load()


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = STORES[request.param](f"{request.param}://{tmp_path}/kept/state.db")
    yield store
    await store.close()


async def test_an_unknown_table_is_empty(store: Store) -> None:
    """A first start finds nothing, and no error."""
    assert await store.load("rows") == {}


async def test_what_was_saved_is_loaded(store: Store) -> None:
    """Bytes in, the same bytes out; any key, empty values too."""
    rows = {"openai/gpt-4.1": b"\x00\xff", "": b"", "ключ:/?#": bytes(range(256)), "big": b"x" * 200_000}
    await store.save("rows", rows)
    assert await store.load("rows") == rows
    assert all(type(v) is bytes for v in (await store.load("rows")).values())


async def test_saving_again_overwrites_and_keeps_the_others(store: Store) -> None:
    """A save names what changed, not everything there is."""
    await store.save("rows", {"a": b"1", "b": b"2"})
    await store.save("rows", {"b": b"3", "c": b"4"})
    assert await store.load("rows") == {"a": b"1", "b": b"3", "c": b"4"}


async def test_what_is_gone_is_forgotten(store: Store) -> None:
    """And what was never there may go as well."""
    await store.save("rows", {"a": b"1", "b": b"2"})
    await store.save("rows", {}, gone=["a", "never"])
    assert await store.load("rows") == {"b": b"2"}


async def test_what_is_saved_and_gone_in_one_call_is_gone(store: Store) -> None:
    """Forgetting is the last word."""
    await store.save("rows", {"a": b"1"}, gone=["a"])
    assert await store.load("rows") == {}


async def test_tables_do_not_mix(store: Store) -> None:
    """One key may be kept in several tables."""
    await store.save("rows", {"a": b"1"})
    await store.save("quotas", {"a": b"2"})
    await store.save("rows", {}, gone=["a"])
    assert await store.load("rows") == {}
    assert await store.load("quotas") == {"a": b"2"}


async def test_saving_nothing_is_harmless(store: Store) -> None:
    """An empty save changes nothing."""
    await store.save("rows", {"a": b"1"})
    await store.save("rows", {})
    assert await store.load("rows") == {"a": b"1"}


async def test_closing_twice_is_harmless(store: Store) -> None:
    """Whoever comes last closes; whoever comes after may, too."""
    await store.save("rows", {"a": b"1"})
    await store.close()
    await store.close()


async def test_the_event_loop_never_waits_for_a_disk(store: Store) -> None:
    """No call into a database or a file system is made in the loop's thread."""
    here = threading.get_ident()
    blocking: list[str] = []

    def watch(_frame: Any, event: str, arg: Any) -> None:
        if event == "c_call" and threading.get_ident() == here:
            where = getattr(arg, "__module__", None) or type(getattr(arg, "__self__", None)).__module__
            if where in ("sqlite3", "_sqlite3", "posix", "io", "_io", "socket", "_socket"):
                blocking.append(f"{where}.{arg.__name__}")

    sys.setprofile(watch)
    try:
        await store.save("rows", {"a": b"1"}, gone=["b"])
        await store.load("rows")
        await store.close()
    finally:
        sys.setprofile(None)
    # the loop itself wakes its selector by a socket pair
    assert [call for call in blocking if not call.startswith(("_socket", "socket"))] == []


_rows = st.dictionaries(st.text("ab/:é", max_size=3), st.binary(max_size=8), max_size=4)
_steps = st.lists(
    st.tuples(st.sampled_from(("rows", "misc")), _rows, st.lists(st.text("ab/:é", max_size=3), max_size=3)), max_size=8
)


@pytest.mark.parametrize("name", sorted(STORES))
@settings(max_examples=20)
@given(steps=_steps)
async def test_any_history_ends_as_a_dictionary_would(
    name: str, steps: list[tuple[str, dict[str, bytes], list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The model: a dictionary a table."""
    store = STORES[name](f"{name}://{tmp_path_factory.mktemp('store')}/state.db")
    model: dict[str, dict[str, bytes]] = {"rows": {}, "misc": {}}
    try:
        for table, rows, gone in steps:
            await store.save(table, rows, gone=gone)
            model[table].update(rows)
            for key in gone:
                model[table].pop(key, None)
            assert await store.load(table) == model[table]
        assert {t: await store.load(t) for t in model} == model
    finally:
        await store.close()
