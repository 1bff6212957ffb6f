"""From a client's shape to a provider's where they differ: through a prompt there, and through pieces back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from functools import partial

import orjson
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Refused, Said, Thought, Used
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.model.units import WallTime
from lbd.shapes import counting, edit, ignore, prompts
from lbd.shapes.clients import CLIENTS
from lbd.shapes.dialect import Dialect, Listener, Speaker, Voice
from lbd.shapes.following import Following
from lbd.shapes.gather import gather
from lbd.shapes.providers import Shape
from lbd.shapes.wire import Facts, Watch, Wire

CHAT = frozenset({"chat"})
Heads = Callable[[bytes], Head | Failure]  # of a client's request


def wires(
    shape: Shape,
    model: str,
    serves: Collection[str] = CHAT,
    ignores: Collection[str] = (),
    *,
    prompted: bool = False,
) -> dict[str, Wire]:
    """Return, by client shape, how requests reach a deployment of this upstream model: natively where that can be.

    ``serves``: what the deployment is for; ``ignores``: what is left out of requests to it; ``prompted``:
    something is added to them.
    """
    own = {name: w if w.of_model is None else w.of_model(model) for name, w in shape.speaks.items()}
    out = {name: wire for name, wire in own.items() if wire.serves in serves}
    if ignores:
        out = {n: dataclasses.replace(w, encode=ignore.of_body(w.encode, ignores)) for n, w in out.items()}
    if prompted:  # what is translated has it already
        changed = {n: prompts.of_body(w.encode, n) for n, w in out.items() if w.native}
        out |= {n: dataclasses.replace(out[n], encode=encode) for n, encode in changed.items()}
    if shape.dialect is not None and "chat" in serves:
        for name, client in CLIENTS.load().items():
            if name not in out and client.voice is not None:
                out[name] = _wire(client.voice, client.read, shape.dialect, model)
    return out


def _wire(voice: Voice, heads: Heads, dialect: Dialect, model: str) -> Wire:
    return Wire(
        path=dialect.path,
        carries=dialect.carries(model),
        encode=partial(_encode, voice, dialect),
        facts=partial(_facts, voice, dialect, model),
        watch=partial(BridgeWatch, voice, heads, dialect, model),
        fold=_Fold,
        stream_path=dialect.stream_path,
        native=False,
        finish=partial(_finish, voice),
    )


def _finish(voice: Voice, answer: bytes, body: Body, _row: DeploymentSpec, usage: Usage | None = None) -> bytes:
    """Return the answer with what it says again of its request, and with counts where its provider told none."""
    if usage is not None and usage.estimated:
        answer = edit.with_members(answer, {"usage": orjson.dumps(voice.counts(usage))})
    return answer if voice.echo is None else voice.echo(answer, body.raw)


def _encode(voice: Voice, dialect: Dialect, body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
    prompt = ignore.of_prompt(voice.read(body.raw), row.ignores)
    return dialect.write(prompts.of_prompt(prompt, row.prompt), row, stream, ask_usage)


def _begun(begin: Begin, model: str, wall: WallTime) -> Begin:
    """Return the beginning with what the provider did not tell."""
    return replace(
        begin, id=begin.id or f"lbd-{int(wall * 1e6):x}", model=begin.model or model, created=begin.created or int(wall)
    )


def _facts(voice: Voice, dialect: Dialect, model: str, body: bytes, wall: WallTime = 0.0) -> Facts:
    try:
        pieces = [_begun(p, model, wall) if isinstance(p, Begin) else p for p in dialect.read(body, model)]
        answer = gather(pieces)
        return Facts(answer.usage, answer.model, None, voice.whole(answer))
    except LbdError as e:
        return Facts(failure=e.failure)


class BridgeWatch(Following):
    """See :class:`lbd.shapes.wire.Watch`: what comes of the provider goes on in the client's shape."""

    def __init__(
        self,
        voice: Voice,
        heads: Heads,
        dialect: Dialect,
        model: str,
        choices: int,
        hide_usage: bool,  # noqa: ARG002  what the client does not want is not said
        *,
        wants_usage: bool = False,
        wall: WallTime = 0.0,
        asked: bytes = b"",
    ) -> None:
        self._listener: Listener = dialect.listen(model, choices)
        super().__init__(self._listener)
        self._voice = voice
        self._heads = heads
        self._asked = asked
        self._estimate: Usage | None = None  # in place of counts that did not come
        self._speaker: Speaker = voice.speak(wants_usage, asked)
        self._model = model
        self._wall = wall
        self._wants_usage = wants_usage
        self._held: list[bytes] = []
        self._said_end = False
        self.gathered: list[Piece] | None = None  # where the client wants it whole: the pieces, instead of what is said
        self.answer = b""  # the whole of them, when all have come
        self.committed = False
        self.failure: Failure | None = None
        self.contents = 0

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told; at its end an estimate of those that were not."""
        return self._source.usage if self._estimate is None else self._estimate

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing: of what a client reads as it comes, its finish is the last."""
        shown = self.gathered is None or not self._wants_usage
        return self._listener.whole or (self._listener.finished and shown)

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return what the client gets of them."""
        if self.failure is not None:
            return b""
        out = self._say(self._listener.feed(data), data)
        if not self.whole:  # else it is no fault of the answer
            self.failure = self.failure or self._listener.failure
        if self._listener.done and self.failure is None and self.committed:
            out += self._end()
        return out

    def _say(self, pieces: Sequence[Piece], data: bytes) -> bytes:
        for piece in pieces:
            told = _begun(piece, self._model, self._wall) if isinstance(piece, Begin) else piece
            if self.gathered is not None:
                self.gathered.append(told)
            else:
                try:
                    self._held.append(self._speaker.say((told,)))
                except LbdError as e:  # what came before it was good, however the bytes came
                    self.failure = e.failure
                    break
            self.contents += isinstance(told, Said | Thought | Refused | Argued)
            self.committed = self.committed or _commits(told)
        if not self.committed:
            return b""
        if self.gathered is not None:
            return data
        out = b"".join(self._held)
        self._held.clear()
        return out

    def _end(self) -> bytes:
        if self._said_end:
            return b""
        self._said_end = True
        self._count()
        try:
            if self.gathered is None:
                return self._speaker.end()
            self.answer = self._voice.whole(gather(self.gathered))
        except LbdError as e:
            self.failure = e.failure
        return b""

    def _count(self) -> None:
        """Tell what is known and estimate the rest where the counts of the whole answer did not come."""
        told = self._source.usage
        if not counting.unsaid(told, self.contents):
            return
        prompt = told.prompt if told is not None and told.prompt else self._prompt()
        self._estimate = counting.filled(told, prompt, self.contents)
        if self.gathered is None:
            self._speaker.say((Used(self._estimate),))
        else:
            self.gathered.append(Used(self._estimate))

    def _prompt(self) -> int:
        """Return about how many tokens the text of the request has."""
        head = self._heads(self._asked) if self._asked else None
        return counting.prompt_tokens(head.text_bytes) if isinstance(head, Head) else 0

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is."""
        if self.failure is not None:
            return b"", self.failure
        if self._said_end:
            return b"", None
        pieces, failure = self._listener.end()
        out = self._say(pieces, b"")
        failure = self.failure or (None if self.whole else failure)
        if failure is None and not self.committed:
            failure = Failure(FailureKind.BAD_BODY, "the stream ended without anything that can be said")
        if failure is None and self._uncounted():
            failure = Failure(FailureKind.BROKEN_STREAM, "the stream ended before its usage was told")
        if failure is not None:
            return out, failure
        out += self._end()
        return out, self.failure

    def _uncounted(self) -> bool:
        """Tell whether the count was cut off of an answer that can still be another provider's: none of it was shown.

        Of what a client has read, nothing is missing without it.
        """
        return self.gathered is not None and self._wants_usage and self.usage is None and not self.done


def _commits(piece: Piece) -> bool:
    if isinstance(piece, Said | Refused):
        return bool(piece.text)
    if isinstance(piece, Thought):
        return bool(piece.text) or piece.token is not None
    return isinstance(piece, Calling | Argued | Finished)


class _Fold:
    """See :class:`lbd.shapes.wire.Fold`: the watch gathers the pieces themselves."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        if isinstance(watch, BridgeWatch):
            watch.gathered = []

    def feed(self, data: bytes) -> None:
        """Take nothing: what was heard is known already."""

    def result(self) -> bytes:
        """Return the unary body."""
        return self._watch.answer if isinstance(self._watch, BridgeWatch) else b""
