"""What follows the reading of another."""

from __future__ import annotations

from lbd.model.outcome import Usage
from lbd.shapes.bridge import BridgeWatch
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.following import Following
from lbd.shapes.heard import WatchedListener
from lbd.shapes.splice import SpliceWatch
from tests.fakes.stage import stream, usage


def test_it_is_as_far_as_what_it_follows() -> None:
    """At every event."""
    watch = ChatWatch()
    following = Following(watch)
    assert (following.done, following.usage, following.whole) == (False, None, False)
    watch.feed(stream("hi", done=False) + usage(7, 2))
    assert (following.done, following.usage, following.whole) == (False, Usage(7, 2), True)
    watch.feed(b"data: [DONE]\n\n")
    assert following.done


def test_who_follows() -> None:
    """A translation, what is heard of a stream, and a second run."""
    assert all(issubclass(kind, Following) for kind in (BridgeWatch, WatchedListener, SpliceWatch))
