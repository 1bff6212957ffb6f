"""An answer that is told again: nothing before the point, all of it behind, and the first difference is found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.messages import (
    Argued,
    Begin,
    Calling,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes.arguments import Different
from lbd.shapes.gather import gather
from lbd.shapes.retold import Comparer, Shown, Told

SIGNED = Token("anthropic", "sig")


def retell(shown: Sequence[Told], told: Sequence[Piece], *, closed: bool = False) -> list[Piece]:
    """Return what goes on when ``told`` is told to who has ``shown``. Raises Different."""
    comparer = Comparer(Shown(tuple(shown), closed))
    out: list[Piece] = []
    for piece in told:
        more = comparer.feed([piece])
        assert not more or comparer.going
        assert not more or comparer.matched, "something was given before the point"
        out += more
    comparer.end()
    return out


# --- any answer, cut anywhere -------------------------------------------------------------------------

letters = st.text("ab ", min_size=1, max_size=6)
values = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9) | letters, max_size=2)


@st.composite
def answers(draw: st.DrawFn) -> list[Told]:
    """Return the pieces of an answer, one of each part."""
    out: list[Told] = []
    if draw(st.booleans()):
        out.append(Thought(draw(letters)))
        if draw(st.booleans()):
            out.append(Thought(token=SIGNED))
    if draw(st.booleans()):
        out.append(Said(draw(letters)))
    for index in range(draw(st.integers(0, 2))):
        out += [Calling(index, f"id{index}", draw(st.sampled_from("fg"))), Argued(index, json.dumps(draw(values)))]
    if not out:
        out.append(Refused(draw(letters)))
    return [*out, Finished(Reason.CALLS if any(isinstance(p, Calling) for p in out) else Reason.STOP)]


def crumbs(whole: Sequence[Told]) -> list[Told]:
    """Return the same pieces, letter by letter."""
    out: list[Told] = []
    for piece in whole:
        if isinstance(piece, Said | Refused) or (isinstance(piece, Thought) and piece.text):
            out += [replace(piece, text=letter) for letter in piece.text]
        elif isinstance(piece, Argued):
            out += [replace(piece, arguments=letter) for letter in piece.arguments]
        else:
            out.append(piece)
    return out


@st.composite
def chunked(draw: st.DrawFn, letter_by_letter: Sequence[Told]) -> list[Told]:
    """Return the pieces joined again in some other way."""
    out: list[Told] = []
    for piece in letter_by_letter:
        last = out[-1] if out else None
        if draw(st.booleans()):
            if isinstance(piece, Said | Refused) and type(last) is type(piece):
                out[-1] = replace(last, text=last.text + piece.text)  # type: ignore[union-attr]
                continue
            if isinstance(piece, Argued) and isinstance(last, Argued) and last.index == piece.index:
                out[-1] = replace(last, arguments=last.arguments + piece.arguments)
                continue
            if isinstance(piece, Thought) and isinstance(last, Thought) and last.token is None:
                out[-1] = replace(last, text=last.text + piece.text, token=piece.token)
                continue
        out.append(piece)
    return out


@given(st.data())
def test_what_was_shown_and_what_goes_on_are_the_whole_answer(data: st.DataObject) -> None:
    """Wherever the first run broke, however either of them was cut into pieces."""
    whole = data.draw(answers())
    letter_by_letter = crumbs(whole)
    at = data.draw(st.integers(0, len(letter_by_letter) - 1))
    shown = data.draw(chunked(letter_by_letter[:at]))
    told = data.draw(chunked(letter_by_letter))
    again = [replace(p, id="other") if isinstance(p, Calling) else p for p in told]
    usage = Used(Usage(1, 2))
    rest = retell(shown, [Begin("x", "m"), *again, usage])
    joined = gather([*shown, *rest])
    wanted = gather([*whole])
    same = [
        replace(choice, parts=tuple(replace(p, id="") if hasattr(p, "id") else p for p in choice.parts))  # type: ignore[call-arg]
        for choice in joined.choices
    ]
    want = [
        replace(choice, parts=tuple(replace(p, id="") if hasattr(p, "id") else p for p in choice.parts))  # type: ignore[call-arg]
        for choice in wanted.choices
    ]
    assert same == want
    ids = [p.id for p in (*shown, *rest) if isinstance(p, Calling)]
    assert ids[: sum(isinstance(p, Calling) for p in shown)] == [p.id for p in shown if isinstance(p, Calling)]


@given(st.data())
def test_the_first_difference_is_found_where_it_stands(data: st.DataObject) -> None:
    """One letter of a text is another one: nothing is given, and it ends with the piece that holds it."""
    text = data.draw(st.text("ab", min_size=1, max_size=12))
    at = data.draw(st.integers(0, len(text) - 1))
    kind = data.draw(st.sampled_from((Said, Thought, Refused)))
    wrong = text[:at] + "c" + text[at + 1 :]
    comparer = Comparer(Shown((kind(text),)))
    for number, letter in enumerate(wrong):
        if number < at:
            assert not comparer.feed([kind(letter)])
        else:
            with pytest.raises(Different):
                comparer.feed([kind(letter)])
            break
    assert not comparer.going


@given(st.data())
def test_several_choices_go_on_together(data: st.DataObject) -> None:
    """However they come in turn: nothing of one goes on before all of the other has come again."""
    texts = [data.draw(letters) for _ in range(2)]
    at = [data.draw(st.integers(0, len(text))) for text in texts]
    shown = [Said(text[:n], i) for i, (text, n) in enumerate(zip(texts, at, strict=True)) if n]
    queue = [[Said(letter, i) for letter in text] + [Finished(Reason.STOP, i)] for i, text in enumerate(texts)]
    told: list[Told] = []
    while any(queue):
        told.append(data.draw(st.sampled_from([q for q in queue if q])).pop(0))
    joined = gather([*shown, *retell(shown, told)])
    assert [gather([*told]).choices[i] for i in (0, 1)] == [joined.choices[i] for i in (0, 1)]


# --- tool calls ----------------------------------------------------------------------------------------


def call(*given: str, name: str = "f", index: int = 0, id_: str = "a") -> list[Told]:
    return [Calling(index, id_, name), *(Argued(index, text) for text in given)]


@pytest.mark.parametrize(
    "again", ['{"x": 1, "y": [true, null]}', '{"y":[true,null],"x":1}', '{ "y" : [true , null] ,\n "x" : 1 }']
)
def test_a_call_that_was_shown_whole_is_the_value_that_it_holds(again: str) -> None:
    """The order of keys, and white space, are no difference; the client's text of it stays."""
    rest = retell(call('{"x":1,"y":[true,null]}'), [*call(again, id_="b"), Finished(Reason.CALLS)])
    assert rest == [Finished(Reason.CALLS)]


@pytest.mark.parametrize(
    "again", ['{"x":1.0}', '{"x":true}', '{"x":2}', '{"x":1,"y":2}', '{"x":1} {', '{"x":[1]}', '{"x":1}{"x":1}']
)
def test_another_value_is_a_difference(again: str) -> None:
    """Also one that Python holds for equal."""
    with pytest.raises(Different):
        retell(call('{"x":1}'), [*call(again), *call("{}", index=1)])


def test_arguments_that_never_end_are_a_difference_before_they_fill_the_memory() -> None:
    """A value is compared when it is whole; it cannot be very much longer than the one that was shown."""
    comparer = Comparer(Shown(tuple(call('{"x":1}'))))
    comparer.feed(call('{"x":'))
    with pytest.raises(Different, match="longer"):
        for _ in range(100):
            comparer.feed([Argued(0, " " * 1000)])


def test_a_call_that_was_shown_in_part_has_to_come_with_the_same_characters() -> None:
    """A client cannot take back what it has; the rest is cut out of the piece that straddles the point."""
    assert retell(call('{"x": '), call('{"x"', ": 1", "}", id_="b")) == [Argued(0, "1"), Argued(0, "}")]
    with pytest.raises(Different):
        retell(call('{"x": '), call('{"x":1}'))
    with pytest.raises(Different):
        retell(call('{"x": '), call('{"x"'))


def test_calls_may_be_told_in_turn() -> None:
    """Two that are written side by side: each is compared with its own."""
    shown = [Calling(0, "a", "f"), Calling(1, "b", "g"), Argued(0, '{"x"'), Argued(1, '{"y"')]
    told = [Calling(0, "c", "f"), Argued(0, '{"x":1}'), Calling(1, "d", "g"), Argued(1, '{"y":2}')]
    assert retell(shown, told) == [Argued(0, ":1}"), Argued(1, ":2}")]


@pytest.mark.parametrize(
    "told",
    [
        call('{"x":1}', name="g"),
        [Said("no tools")],
        [*call('{"x":1}'), *call('{"x":1}')],
        [Thought("well"), *call('{"x":1}')],
        call("x"),
    ],
)
def test_another_tool_or_none_is_a_difference(told: list[Told]) -> None:
    """Its name is compared before its arguments."""
    with pytest.raises(Different):
        retell(call('{"x":1}'), [*told, Finished(Reason.CALLS)])


def test_a_call_of_nothing_that_was_ended_means_an_empty_object() -> None:
    """Its block was closed: whether the second run writes it out or not, it is the same."""
    for written in ((), ("{}",), ("{ ", "}")):
        assert retell(call(), [*call(*written), Finished(Reason.CALLS)], closed=True) == [Finished(Reason.CALLS)]
    with pytest.raises(Different):
        retell(call(), [*call('{"x":1}'), Finished(Reason.CALLS)], closed=True)
    with pytest.raises(Different):
        retell(call('{"x"'), call('{"x":1}'), closed=True)
    assert retell(call(), call('{"x":1}')) == [Argued(0, '{"x":1}')]


# --- what only its maker can read ----------------------------------------------------------------------


def test_thoughts_that_were_signed_stay_as_they_are() -> None:
    """The second run's signature is of another mint, or another one of the same: it is dropped."""
    shown = [Thought("hm", token=SIGNED), Said("Yes")]
    told = [Thought("hm"), Thought(token=Token("gemini", "other")), Said("Yes!")]
    assert retell(shown, told) == [Said("!")]
    assert retell(shown, [Thought("hm"), Said("Yes!")]) == [Said("!")]
    assert retell(shown[:1], told) == [Said("Yes!")]


@pytest.mark.parametrize(
    "told", [[Thought("hm"), Thought("m", token=SIGNED)], [Thought("h", token=SIGNED), Said("Yes")], [Said("Yes")]]
)
def test_thoughts_that_were_signed_cannot_be_longer_or_others(told: list[Told]) -> None:
    """They would belie their signature."""
    with pytest.raises(Different):
        retell([Thought("hm", token=SIGNED)], [*told, Finished(Reason.STOP)])


def test_thoughts_that_broke_off_are_signed_by_who_thought_them_to_the_end() -> None:
    """The client then has exactly what the second run thought, and its signature is over that."""
    shown = [Thought("let ")]
    told = [Thought("let me see", token=SIGNED), Said("Yes")]
    assert retell(shown, told) == [Thought("me see", token=SIGNED), Said("Yes")]
    assert retell([Thought("let me see")], told) == [Thought(token=SIGNED), Said("Yes")]
    assert retell([Thought("let me see"), Said("Y")], told) == [Said("es")]


def test_hidden_thoughts_cannot_be_compared() -> None:
    """Before the point they are a difference, behind it they are the answer's."""
    hidden = Thought(token=SIGNED, redacted=True)
    with pytest.raises(Different):
        retell([Said("ab")], [hidden, Said("abc")])
    assert retell([Said("ab")], [Said("ab"), hidden]) == [hidden]
    assert retell([Said("ab")], [Said("abc"), hidden]) == [Said("c"), hidden]
    with pytest.raises(Different):
        retell([Thought("a"), Said("ab")], [Thought("a"), Said("a"), Thought(token=SIGNED)])


# --- blocks and ends -----------------------------------------------------------------------------------


def test_a_block_that_was_begun_has_to_be_gone_on_with() -> None:
    """A client has it open: what comes next must stand in it."""
    assert retell([Thought("a"), Said("")], [Thought("a"), Said("b")]) == [Said("b")]
    for told in ([Thought("a"), *call("{}")], [Thought("a"), Finished(Reason.STOP)], [Thought("ab"), Said("c")]):
        with pytest.raises(Different):
            retell([Thought("a"), Said("")], told)


def test_a_block_that_was_ended_is_not_gone_on_with() -> None:
    """Its text would have to be glued to it."""
    with pytest.raises(Different):
        retell([Said("ab")], [Said("abc")], closed=True)
    with pytest.raises(Different):
        retell([Said("ab")], [Said("ab"), Said("c")], closed=True)
    assert retell([Said("ab")], [Said("ab"), *call("{}")], closed=True) == call("{}")


def test_an_end_that_was_shown_has_to_come_again() -> None:
    """Where only the usage was missing: nothing goes on but that."""
    shown = [Said("ab"), Finished(Reason.STOP)]
    assert retell(shown, [Said("ab"), Finished(Reason.STOP), Used(Usage())]) == []
    for told in ([Said("ab"), Finished(Reason.LENGTH)], [Said("abc"), Finished(Reason.STOP)], [Said("ab")]):
        with pytest.raises(Different):
            retell(shown, told)


@pytest.mark.parametrize("told", [[], [Said("a")], [Said("a"), Finished(Reason.STOP)]])
def test_an_answer_that_ends_sooner_is_another(told: list[Told]) -> None:
    """Also where all of it was the same so far."""
    with pytest.raises(Different, match="before what was shown"):
        retell([Said("ab")], told)


def test_what_was_never_begun_is_no_difference() -> None:
    """A choice that the client has nothing of."""
    told: list[Any] = [Said("x", 1), Said("a", 0), Finished(Reason.STOP, 1), Finished(Reason.STOP, 0)]
    assert retell([Said("a", 0)], told) == [Said("x", 1), Finished(Reason.STOP, 1), Finished(Reason.STOP, 0)]
