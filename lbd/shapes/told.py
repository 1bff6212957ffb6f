"""What a client was told in all: a stream that went out, put together to the whole answer it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lbd.shapes.chat.fold import ChatFold
from lbd.shapes.completions.fold import CompletionsFold
from lbd.shapes.messages.fold import MessagesFold
from lbd.shapes.responses.fold import ResponsesFold
from lbd.shapes.sse import looks_like_events
from lbd.shapes.wire import Fold

FOLDS: Mapping[str, Callable[[], Fold]] = {
    "anthropic.messages": MessagesFold,
    "openai.chat": ChatFold,
    "openai.completions": CompletionsFold,
    "openai.responses": ResponsesFold,
}


def whole(shape: str, sent: bytes) -> bytes:
    """Return the whole answer that was sent to a client of this shape, be it as a stream or at once."""
    if not looks_like_events(sent):
        return sent
    fold = FOLDS[shape]()
    fold.feed(sent)
    return fold.result()
