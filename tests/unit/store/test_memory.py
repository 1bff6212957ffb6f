from __future__ import annotations

from lbd.store.memory import MemoryStore, make


async def test_what_is_loaded_is_a_copy() -> None:
    """Whoever loads may change what he got."""
    store = make("memory:")
    await store.save("rows", {"a": b"1"})
    (await store.load("rows"))["a"] = b"changed"
    assert await store.load("rows") == {"a": b"1"}


async def test_what_was_saved_is_a_copy() -> None:
    """Whoever saved may go on with his map."""
    store = MemoryStore()
    mine = {"a": b"1"}
    await store.save("rows", mine)
    mine["a"] = b"changed"
    assert await store.load("rows") == {"a": b"1"}


async def test_every_store_forgets_at_the_end() -> None:
    """Two stores of one URL have nothing in common."""
    one, two = make("memory:"), make("memory:")
    await one.save("rows", {"a": b"1"})
    assert await two.load("rows") == {}
