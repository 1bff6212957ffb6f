"""Pieces put together into the answer they are of."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Call,
    Calling,
    Choice,
    Finished,
    Piece,
    Reason,
    Refusal,
    Refused,
    Said,
    Text,
    Thinking,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.gather import NO_ARGUMENTS, gather, pieces_of, total
from tests.unit.shapes.conversations import letters

TOKEN = Token("anthropic", "s")
choices = st.integers(0, 2)
pieces = st.one_of(
    st.builds(Begin, letters, letters),
    st.builds(Said, letters | st.just(""), choices),
    st.builds(Thought, letters | st.just(""), choices, st.none() | st.just(TOKEN)),
    st.builds(Thought, st.just(""), choices, st.just(TOKEN), st.just(True)),
    st.builds(Refused, letters, choices),
    st.builds(Calling, st.integers(0, 2), letters, letters, choices),
    st.builds(Argued, st.integers(0, 2), letters, choices),
    st.builds(Finished, st.sampled_from(Reason), choices, st.none() | letters),
    st.builds(Used, st.builds(Usage, st.integers(0, 9), st.integers(0, 9))),
)


@given(st.lists(pieces, max_size=12))
def test_any_pieces_are_an_answer(said: list[Piece]) -> None:
    """And said once more, they are the same."""
    answer = gather(said)
    assert answer.choices
    again = gather(pieces_of(answer))
    assert [c.parts for c in again.choices] == [c.parts for c in answer.choices]
    assert gather(pieces_of(again)) == again


@given(st.lists(letters, max_size=5), st.lists(letters, max_size=5))
def test_like_pieces_are_one_part(thoughts: list[str], words: list[str]) -> None:
    """However they were cut."""
    said: list[Piece] = [*map(Thought, thoughts), *map(Said, words)]
    expected: list[Any] = [Thinking("".join(thoughts))] if thoughts else []
    expected += [Text("".join(words))] if words else []
    assert gather(said).choices == (Choice(tuple(expected), Reason.STOP),)


def test_parts_stand_in_the_order_in_which_they_began() -> None:
    """A token closes a thought; a call holds its place while others are under way."""
    said: list[Piece] = [
        Begin("i", "m", 7, "fp"),
        Thought("a"),
        Thought("b", token=TOKEN),
        Thought("c"),
        Thought(token=TOKEN, redacted=True),
        Said("d"),
        Calling(0, "x", "f", token=TOKEN),
        Calling(1, "y", "g"),
        Argued(1, "{}"),
        Argued(0, '{"a":'),
        Argued(0, "1}"),
        Argued(7, "nobody's"),
        Said("e"),
        Refused("f"),
        Finished(Reason.CALLS, stop="s"),
        Used(Usage(1, 2)),
    ]
    parts = (
        Thinking("ab", TOKEN),
        Thinking("c"),
        Thinking("", TOKEN, redacted=True),
        Text("d"),
        Call("x", "f", '{"a":1}', TOKEN),
        Call("y", "g", "{}"),
        Text("e"),
        Refusal("f"),
    )
    assert gather(said) == Answer("i", "m", (Choice(parts, Reason.CALLS, "s"),), Usage(1, 2), 7, "fp")


def test_a_call_without_arguments_has_none() -> None:
    """Which is an empty object: no text at all is no JSON."""
    (choice,) = gather([Calling(0, "x", "f")]).choices
    assert choice == Choice((Call("x", "f", NO_ARGUMENTS),), Reason.CALLS)


def test_choices_are_gathered_apart() -> None:
    """And stand in their order."""
    answer = gather([Said("b", 1), Said("a", 0), Said("c", 1), Finished(Reason.LENGTH, 1)])
    assert answer.choices == (Choice((Text("a"),), Reason.STOP), Choice((Text("bc"),), Reason.LENGTH))


def test_nothing_is_an_answer_of_nothing() -> None:
    """One choice, which clients count on."""
    assert gather([]) == Answer("", "", (Choice((), Reason.STOP),))


def test_log_probabilities_go_on() -> None:
    """Lists of tokens are joined; what is no object is left out."""
    said: list[Piece] = [
        Said("a", logprobs={"content": [1], "refusal": None, "x": 1}),
        Said("b", logprobs={"content": [2], "refusal": [3], "x": None}),
        Said("c", logprobs="junk"),
    ]
    (choice,) = gather(said).choices
    assert choice.logprobs == {"content": [1, 2], "refusal": [3], "x": 1}
    answer = gather([Refused("no"), Said("", logprobs={"refusal": [1]})])
    assert gather(pieces_of(answer)) == answer


def test_counts_of_the_beginning_stand_until_later_ones() -> None:
    """A later word replaces an earlier one, silence does not."""
    early = Usage(5, 1, 2, 3, estimated=True, written=4)
    assert gather([Begin("i", "m", usage=early)]).usage == early
    assert gather([Begin("i", "m", usage=early), Used(Usage(9))]).usage == Usage(9)
    assert total(None, early) == early
    assert total(early, Usage(0, 7)) == Usage(5, 7, 2, 3, written=4)
    assert total(early, Usage(9, 8, 7, 6, written=5)) == Usage(9, 8, 7, 6, written=5)
