"""Scoring one answer: what is asked for, and what is no score."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest

from lbd.loops.errand import Answer
from lbd.loops.grading import ASKER, LENGTH, Grader
from lbd.loops.worker import WorkerError
from lbd.model.evaluation import EvaluateSpec, JudgeSpec, Sample
from lbd.model.provider import ClientSpec
from lbd.plugins import load
from lbd.quality import metrics
from lbd.quality.metrics import Measured
from lbd.shapes.clients import ClientShape
from tests.fakes.stage import whole
from tests.unit.shapes.validate.test_sound import chat

T = TypeVar("T")
CHAT: dict[str, Any] = {"model": "auto", "stream": True, "stream_options": {"include_usage": True},
                        "messages": [{"role": "user", "content": "Capital of Germany?"}]}  # fmt: skip


async def inline(work: Callable[[], T], _within_s: float) -> T:
    """Be another process."""
    return work()


class World:
    """Answers errands as it is told, and notes them."""

    def __init__(self, *answers: bytes | tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any], Mapping[str, str]]] = []
        self.grader = Grader(self, load().clients, inline, lambda: 0xABC, self.room)  # type: ignore[arg-type]

    async def serve(
        self, spec: ClientSpec, shape: ClientShape, raw: bytes, _within_s: float, wishes: Mapping[str, str]
    ) -> Answer:
        """Be :class:`lbd.loops.errand.Errands`."""
        assert spec is ASKER
        self.asked.append((shape.name, json.loads(raw), wishes))
        told = self.answers.pop(0)
        status, body = told if isinstance(told, tuple) else (200, told)
        return Answer(status, "req", body)

    async def room(self, target: str) -> bool:
        """Be who knows of free slots."""
        return target != "busy"


def sample(body: dict[str, Any] = CHAT, sent: bytes | None = None, shape: str = "openai.chat", **more: Any) -> Sample:
    """Return a sample that a/m answered."""
    return Sample(
        "req_1", shape, json.dumps(body).encode(), sent or whole("Berlin"), "a/m", "m", "", "local", "", **more
    )


REFERENCE = EvaluateSpec(1.0, 0, "exact", reference="gold")


async def test_the_same_is_asked_of_the_reference() -> None:
    """Not as a stream, bounded, pinned, as background."""
    world = World(whole("berlin"))
    found = await world.grader.grade(REFERENCE, sample())
    assert (found.score, found.measured) == (1.0, (Measured("exact", 1.0),))
    ((shape, body, wishes),) = world.asked
    assert shape == "openai.chat" and wishes == {"pin": "gold", "class": "background"}
    assert body == {"model": "auto", "stream": False, "messages": CHAT["messages"], "max_completion_tokens": LENGTH}


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_a_clients_own_limit_stays(limit: str) -> None:
    """And none is added."""
    world = World(whole("x"))
    await world.grader.grade(REFERENCE, sample({**CHAT, limit: 7}))
    assert {k: v for k, v in world.asked[0][1].items() if k.startswith("max")} == {limit: 7}


async def test_the_reference_is_as_good_as_itself() -> None:
    """By model or by deployment; nothing is asked. A rubric grades it like any other."""
    for name in ("m", "a/m"):
        world = World()
        found = await world.grader.grade(EvaluateSpec(1.0, 0, "exact", reference=name), sample())
        assert (found.score, world.asked) == (1.0, [])
        pairs = EvaluateSpec(1.0, 0, "judge", reference=name, judge=JudgeSpec("j", "pairwise"))
        assert (await world.grader.grade(pairs, sample())).score == 1.0 and not world.asked
        world = World(whole("GRADE: 4"))
        rubric = EvaluateSpec(1.0, 0, "judge", reference=name, judge=JudgeSpec("j"))
        assert (await world.grader.grade(rubric, sample())).score == pytest.approx(3 / 9)
        assert len(world.asked) == 1 and "reference" not in world.asked[0][1]["messages"][0]["content"]


async def test_a_shadow_is_compared_with_the_reference_that_served() -> None:
    """Its answer is there already."""
    world = World(whole("Bonn"))
    found = await world.grader.shadow(EvaluateSpec(1.0, 0, "exact", reference="m"), sample(), ("b/x", "x"))
    assert found.score == 0.0 and [w["pin"] for _, _, w in world.asked] == ["b/x"]
    world = World(whole("Bonn"))
    found = await world.grader.shadow(REFERENCE, sample(), ("c/gold", "gold"))
    assert found.score == 1.0 and [w["pin"] for _, _, w in world.asked] == ["c/gold"]


async def test_what_a_client_wished_of_lbd_is_not_wished_again() -> None:
    """Its surface's budget does not pay for the comparison."""
    world = World(whole("Berlin"))
    await world.grader.grade(REFERENCE, sample({**CHAT, "metadata": {"x-lbd-surface": "s", "job": "7"}}))
    assert world.asked[0][1]["metadata"] == {"job": "7"}
    world = World(whole("Berlin"))
    await world.grader.grade(REFERENCE, sample({**CHAT, "metadata": {"X-LBD-Max-USD": "1"}}))
    assert "metadata" not in world.asked[0][1]


@pytest.mark.parametrize(
    "raw", [b'{"model": "m", "messages": [{"role": "user", "content": "\xe9"}]}', b"junk", b"[" * 400]
)
async def test_a_request_that_cannot_be_changed_is_no_sample(raw: bytes) -> None:
    """A provider may have taken it all the same."""
    odd = Sample("r", "openai.chat", raw, whole("Berlin"), "a/m", "m", "", "local", "")
    found = await World(whole("x")).grader.grade(REFERENCE, odd)
    assert (found.score, found.why) == (None, "unreadable_request")
    found = await World(whole("x")).grader.shadow(EvaluateSpec(1.0, 0), odd, ("b/m", "m"))
    assert (found.score, found.why) == (None, "unreadable_request")


@pytest.mark.parametrize(
    ("answers", "body", "sent", "why"),
    [
        ([(429, b'{"error": {"code": "insufficient_quota"}}')], CHAT, None, "no_budget"),
        ([(503, b'{"error": {"code": "no_capacity"}}')], CHAT, None, "request_failed"),
        ([b"<html>"], CHAT, None, "unreadable_answer"),
        ([chat(None, "tool_calls", "{}")], CHAT, None, "calls_a_tool"),
        ([], CHAT, chat(""), "empty_answer"),
        ([], CHAT, chat(None, "tool_calls", "{}"), "calls_a_tool"),
        (
            [],
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "video"}]}]},
            None,
            "unreadable_request",
        ),
    ],
)
async def test_what_cannot_be_scored_says_why(
    answers: list[Any], body: dict[str, Any], sent: bytes | None, why: str
) -> None:
    """In words that can be counted."""
    found = await World(*answers).grader.grade(REFERENCE, sample(body, sent))
    assert (found.score, found.why) == (None, why)


async def test_who_has_no_slot_to_spare_is_not_asked() -> None:
    """People come first."""
    world = World()
    found = await world.grader.grade(EvaluateSpec(1.0, 0, "exact", reference="busy"), sample())
    assert (found.score, found.why, world.asked) == (None, "busy", [])


async def test_a_metric_that_fails_is_no_score_and_hides_no_other() -> None:
    """Be it its own fault or its process's."""
    world = World(whole("Berlin"), whole("Berlin"))
    spec = EvaluateSpec(1.0, 0, "nowhere", ("exact",), reference="gold")
    found = await world.grader.grade(spec, sample())
    assert (found.score, found.why) == (None, "metric_failed")
    assert [m.value for m in found.measured] == [None, 1.0]

    async def dies(work: Callable[[], Any], _within_s: float) -> Any:
        if getattr(work, "func", None) is metrics.measure:
            raise WorkerError("its process died")
        return work()

    world.grader._work = dies
    found = await world.grader.grade(REFERENCE, sample())
    assert (found.why, found.measured) == ("metric_failed", (Measured("exact", None, "its process died"),))

    async def never(_work: object, _within_s: float) -> Any:
        raise WorkerError("it took too long")

    world.grader._work = never
    assert (await world.grader.grade(REFERENCE, sample())).why == "too_long"


async def test_validators_need_nobody() -> None:
    """And what is measured beside may fail without harm."""
    world = World((500, b"{}"))
    found = await world.grader.grade(EvaluateSpec(1.0, 0, metrics=("exact",), reference="gold"), sample())
    assert (found.score, found.why, found.measured) == (1.0, "", ())
    found = await World().grader.grade(EvaluateSpec(1.0, 0), sample(sent=chat("Ber", "length")))
    assert (found.score, found.why) == (0.0, "it was cut off")
    bounded = sample(sent=chat("Ber", "length"), bounded=True)
    assert (await World().grader.grade(EvaluateSpec(1.0, 0), bounded)).score == 1.0


async def test_a_shadow_is_scored_like_an_answer() -> None:
    """By the same rule; what it does not answer is no score."""
    world = World(whole("Bonn"), whole("Berlin"))
    found = await world.grader.shadow(REFERENCE, sample(), ("b/m", "x"))
    assert found.score == 0.0 and [w["pin"] for _, _, w in world.asked] == ["b/m", "gold"]
    found = await World((500, b"{}")).grader.shadow(REFERENCE, sample(), ("b/m", "x"))
    assert (found.score, found.why) == (None, "request_failed")


async def test_a_judge_may_see_the_reference_and_need_no_temperature() -> None:
    """A rubric with a good answer beside; a model that takes no temperature is asked without."""
    world = World(whole("Bonn or Berlin"), whole("GRADE: 4"))
    judge = JudgeSpec("judge", criteria="exactness", temperature=None)
    spec = EvaluateSpec(1.0, 0, "judge", reference="gold", judge=judge)
    found = await world.grader.grade(spec, sample())
    assert found.score == pytest.approx(3 / 9)
    _, body, wishes = world.asked[1]
    text = body["messages"][0]["content"]
    assert "temperature" not in body and body["max_completion_tokens"] == 1024 and wishes["pin"] == "judge"
    assert "Criteria: exactness" in text and "Bonn or Berlin" in text and "0000000000000abc" in text


async def test_other_shapes_are_asked_in_their_own_words() -> None:
    """A conversation of Anthropic's with its own limit."""
    answer = json.dumps({"type": "message", "content": [{"type": "text", "text": "Berlin"}]}).encode()
    body = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "Capital?"}]}
    world = World(answer)
    found = await world.grader.grade(REFERENCE, sample(body, answer, "anthropic.messages"))
    assert found.score == 1.0 and world.asked[0][0] == "anthropic.messages" and world.asked[0][1]["max_tokens"] == 50
