"""Sampling answers and having them scored: who is sampled, what it costs, and where the scores go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from lbd.loops.evaluate import Job
from lbd.model.evaluation import EVALUATOR, Compare, Sample
from lbd.model.ledger import Kind
from lbd.model.table import ALL
from lbd.quality import chrf
from lbd.state import quality
from lbd.state.quality import Phase
from tests.fakes.harness import Asked
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import DONE, ROLE, STOP, Act, answer, content, end, head, say, usage, whole
from tests.fakes.wire import until

T = TypeVar("T")
GOLD = row("gold", model="gold", tier="tertiary")


class Scored(House):
    """A house with three models whose answers are scored; what would be done by another process is done here."""

    def __init__(self, folder: Path, *, share: float = 1.0, budget: float = 5.0, **evaluate: Any) -> None:
        config = {k: evaluate.pop(k) for k in ("surfaces", "clients") if k in evaluate}
        spec = {"share": share, "budget_usd_per_day": budget, **evaluate}
        super().__init__(folder, row("a", model="m-a"), row("b", model="m-b", tier="secondary"), GOLD,
                         evaluate=spec, **config)  # fmt: skip
        self.app.evaluating._grader._work = self._here

    async def _here(self, work: Callable[[], T], _within_s: float) -> T:
        return work()

    def says(self, host: str, text: str) -> None:
        self.stage.plan(0.001, *answer(whole(text)), host=host)

    async def scored(self, n: int = 1) -> None:
        counts = self.app.evaluating.counts
        await until(lambda: sum(v for k, v in counts.items() if k.startswith(("scored", "unscored"))) >= n)

    def level(self, id_: str) -> quality.Level:
        found = self.app.owner.find(id_)
        assert found is not None
        return found.scores[ALL].level if ALL in found.scores else quality.Level()

    def asked(self, host: str) -> list[dict[str, Any]]:
        """Return what a host was asked."""
        return [json.loads(t.body) for t in self.stage.taken if t.endpoint.origin.host == host and t.body]


async def test_a_sound_answer_scores_one_and_a_refusal_none(tmp_path: Path) -> None:
    """By the validators alone: no money, nobody asked, and the table knows."""
    async with Scored(tmp_path) as house:
        for text in ("Berlin.", "I'm sorry, but I can't help with that."):
            house.says("a", text)
            assert (await house.ask("m-a")).status == 200
        await house.scored(2)
        level = house.level("a/m-a")
        assert (level.count, round(level.total, 6)) == (2, 1.0)
        assert house.app.evaluating.counts["scored"] == 2
        assert house.app.scoring.taken["a/m-a", "validators"] == 2
        assert [p["what"] for p in house.app.evaluating.report()["problems"]] == ["validators: it refuses"]  # type: ignore[attr-defined]


async def test_a_stream_is_scored_as_the_answer_it_stands_for(tmp_path: Path) -> None:
    """What went to the client by pieces is put together again; the client's bytes are the same."""
    async with Scored(tmp_path, score="chrf", reference="gold") as house:
        script: tuple[Act | float, ...] = (head(), say(ROLE), say(content("The capital")), say(content(" is Berlin")))
        house.stage.plan(0.001, *script, say(STOP, usage(), DONE), end, host="a")
        house.says("gold", "The capital is Berlin")
        heard = await house.ask("m-a", stream=True)
        await house.scored()
        assert "[DONE]" in heard.text or heard.status == 200
        assert round(house.level("a/m-a").total, 6) == 1.0
        (asked,) = house.asked("gold")
        assert asked["stream"] is False or "stream_options" not in asked


async def test_a_reference_is_asked_for_and_compared(tmp_path: Path) -> None:
    """The score is the metric's; others are measured beside; what it cost is evaluation in the ledger."""
    async with Scored(tmp_path, score="chrf", metrics=["bleu"], reference="gold") as house:
        house.says("a", "The capital of Germany is Berlin.")
        house.says("gold", "Berlin is the capital of Germany.")
        await house.ask("m-a")
        await house.scored()
        expected = chrf.sentence("The capital of Germany is Berlin.", ["Berlin is the capital of Germany."])
        assert house.level("a/m-a").total == pytest.approx(expected)
        assert {m["metric"] for m in house.app.evaluating.report()["measured"]} == {"bleu", "chrf"}  # type: ignore[attr-defined]
        await house.app.money.keep()
        sums = {t.of: t for t in await house.app.books.totals(0, 9e9, ("client", "kind"))}
        assert set(sums) == {(EVALUATOR, Kind.EVALUATION), ("local", Kind.CLIENT)}
        assert sums[EVALUATOR, Kind.EVALUATION].cost > 0 and not sums[EVALUATOR, Kind.EVALUATION].compared
        assert house.app.evaluating.spent > 0


@pytest.mark.parametrize(
    ("said", "score"), [("It is fine.\nGRADE: 8", 7 / 9), ("**GRADE: 1/10**", 0.0), ("no idea", None)]
)
async def test_a_judge_grades_by_a_rubric(tmp_path: Path, said: str, score: float | None) -> None:
    """The judge sees conversation and answer between marks; what is no grade is no score."""
    async with Scored(tmp_path, score="judge", judge={"model": "gold"}) as house:
        house.says("a", "Berlin.")
        house.says("gold", said)
        await house.ask("m-a")
        await house.scored()
        (asked,) = house.asked("gold")
        shown = asked["messages"][0]["content"]
        assert "User: hello" in shown and "Berlin." in shown and asked["temperature"] == 0
        if score is None:
            assert house.app.evaluating.counts["unscored_unclear_verdict"] == 1
        else:
            assert house.level("a/m-a").total == pytest.approx(score)


@pytest.mark.parametrize(
    ("verdicts", "score"), [(("A", "B"), 1.0), (("B", "A"), 0.0), (("A", "A"), 0.5), (("TIE", "TIE"), 1.0)]
)
async def test_a_judge_of_pairs_is_asked_in_both_orders(
    tmp_path: Path, verdicts: tuple[str, str], score: float
) -> None:
    """A judge that always prefers the first place says nothing."""
    async with Scored(
        tmp_path, score="judge", reference="b/m-b", judge={"model": "gold", "manner": "pairwise"}
    ) as house:
        house.says("a", "answer of a")
        house.says("b", "answer of b")
        for verdict in verdicts:
            house.says("gold", f"VERDICT: {verdict}")
        await house.ask("m-a")
        await house.scored()
        first, second = (asked["messages"][0]["content"] for asked in house.asked("gold"))
        assert first.index("answer of a") < first.index("answer of b")
        assert second.index("answer of a") > second.index("answer of b")
        assert house.level("a/m-a").total == score


async def test_what_lost_a_surface_comes_back_by_shadows_alone(tmp_path: Path) -> None:
    """A dropped model gets the same requests; nobody is given its answers; good ones bring it back."""
    async with Scored(tmp_path, shadow=1.0) as house:
        fallen = house.app.owner.find("b/m-b")
        assert fallen is not None
        standing = quality.begun(0.8)
        fallen.scores[ALL] = quality.Standing(None, 0.8, standing.level, standing.bet, Phase.DROPPED)
        for n in range(60):
            house.says("a", "Berlin.")
            house.says("b", "Berlin, too.")
            heard = await house.ask("m-a")
            assert heard.status == 200 and "too" not in heard.text
            await house.scored(2 * n + 2)
            if fallen.scores[ALL].phase is Phase.IN_USE:
                break
        assert fallen.scores[ALL].phase is Phase.IN_USE, "shadow answers that are good bring it back"
        assert house.app.evaluating.counts["scored_shadow"] > 1
        kinds = [e.kind for e in house.app.timeline.last() if e.kind == "quality_back"]
        assert kinds == ["quality_back"]


async def test_without_money_nothing_is_asked_and_nothing_scored(tmp_path: Path) -> None:
    """The budget holds before a request goes out; what is free goes on."""
    async with Scored(tmp_path, budget=0.0, score="judge", judge={"model": "gold"}) as house:
        house.says("a", "Berlin.")
        await house.ask("m-a")
        await house.scored()
        assert house.app.evaluating.counts["unscored_no_budget"] == 1
        assert not house.asked("gold") and house.level("a/m-a").count == 0


async def test_the_day_s_money_is_not_spent_in_the_morning(tmp_path: Path) -> None:
    """What is spent ahead of the day leaves samples out, and says so."""
    async with Scored(tmp_path, budget=1.0, score="judge", judge={"model": "gold"}) as house:
        house.app.evaluating._purses.spent_of = lambda _key: round(1e9)  # type: ignore[method-assign]
        house.env.wall = lambda: 86400.0 * 20000 + 3600  # one hour of the day has passed
        house.says("a", "Berlin.")
        await house.ask("m-a")
        assert house.app.evaluating.counts == {"left_out_budget": 1}


async def test_a_share_is_a_share(tmp_path: Path) -> None:
    """One draw a request."""
    async with Scored(tmp_path, share=0.25) as house:
        draws = iter([0.1, 0.3, 0.24, 0.99])
        house.app.evaluating._env = SimpleNamespace(uniform=lambda: next(draws))
        for _ in range(4):
            house.says("a", "Berlin.")
            await house.ask("m-a")
        assert house.app.evaluating.counts["sampled"] == 2


async def test_a_client_may_bring_its_own_reference(tmp_path: Path) -> None:
    """Its answer is compared with it, and counts like a rating: for its own requests alone."""
    async with Scored(tmp_path) as house:
        house.app.pipeline.sampler = None
        house.says("a", "Berlin.")
        heard: Asked = await house.ask("m-a")
        id_ = heard.headers["x-request-id"]
        evaluating = house.app.evaluating
        assert evaluating.compare(Compare(id_, "somebody", "Berlin.", "Berlin", "exact")) == "unknown"
        assert evaluating.compare(Compare(id_, "local", "Berlin", " berlin ", "exact")) == "taken"
        await until(lambda: evaluating.counts["compared"] == 1)
        assert house.level("a/m-a").total == 1.0


async def test_a_reload_begins_and_ends_it(tmp_path: Path) -> None:
    """Without the key nothing is sampled any more."""
    async with Scored(tmp_path) as house:
        assert house.app.pipeline.sampler is house.app.evaluating
        del house.config["evaluate"]
        house.write()
        await house.app.reload(by="me")
        assert house.app.pipeline.sampler is None
        house.says("a", "Berlin.")
        await house.ask("m-a")
        assert not +house.app.evaluating.counts


async def test_what_waits_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples are left out, and the client's answer is not."""
    async with Scored(tmp_path) as house:
        evaluating = house.app.evaluating
        monkeypatch.setattr("lbd.loops.evaluate.HELD", 500)
        big = Compare("req", "local", "x" * 400, "y", "exact")
        house.app.scoring.served.find = lambda _id: SimpleNamespace(client="local", deployment="a/m-a")  # type: ignore[method-assign,assignment,return-value]
        assert evaluating.compare(big) == "taken" and evaluating.compare(big) == "busy"
        await until(lambda: evaluating._held == 0)
        assert evaluating.compare(big) == "taken"


async def test_what_was_sampled_under_another_configuration_is_not_scored(tmp_path: Path) -> None:
    """A judge that came by a reload does not see the requests from before it."""
    async with Scored(tmp_path) as house:
        evaluating = house.app.evaluating
        spec = evaluating.spec
        assert spec is not None
        row_ = house.app.owner.find("a/m-a")
        assert row_ is not None
        sample = Sample("r", "openai.chat", b"{}", b"{}", "a/m-a", "m-a", "", "local", "")
        evaluating._put(Job(sample, spec))
        evaluating._put(Job(Compare("req", "local", "a", "b", "exact"), None))
        evaluating.configure(replace(spec, share=0.5), ())
        assert evaluating.counts["left_out_reload"] == 1 and evaluating._queue.qsize() == 1
        evaluating.configure(None)
        assert not await evaluating.sampling.room("m-a"), "its budget has gone with it"


async def test_another_scale_begins_anew_and_is_no_fall(tmp_path: Path) -> None:
    """Scores of 1.0 by one measure and of 0.6 by another say nothing of each other; what was lost stays lost."""
    async with Scored(tmp_path) as house:
        scoring, found = house.app.scoring, house.app.owner.find("a/m-a")
        assert found is not None
        for _ in range(300):
            scoring.take(found, "", 1.0, "validators", scale="validators")
        for _ in range(60):
            scoring.take(found, "", 0.6, "chrf", scale="chrf")
        assert found.scores[ALL].phase is Phase.IN_USE and found.scores[ALL].level.count == 60
        for _ in range(600):
            scoring.take(found, "", 0.0, "chrf", scale="chrf")
        assert found.scores[ALL].phase is Phase.DROPPED
        scoring.take(found, "", 1.0, "judge", scale="judge")
        assert found.scores[ALL].phase is Phase.DROPPED


async def test_likeness_is_measured_and_no_rating_unless_it_was_said_what_it_means(tmp_path: Path) -> None:
    """A good answer may have few words of the reference's."""
    async with Scored(tmp_path, metrics=["chrf"], reference="gold", pass_from={"chrf": 0.5}) as house:
        evaluating = house.app.evaluating
        assert evaluating._rated("chrf", 0.6) == 1.0 and evaluating._rated("bleu", 0.6) is None
        assert evaluating._rated("exact", 0.0) == 0.0 and evaluating._rated("exact", None) is None


async def test_a_sample_that_lbd_fails_on_is_counted_and_told(tmp_path: Path) -> None:
    """And the next one is scored."""
    async with Scored(tmp_path) as house:
        grade, calls = house.app.evaluating._grader.grade, []

        async def broken(*args: Any) -> Any:
            calls.append(args)
            if len(calls) == 1:
                raise ZeroDivisionError
            return await grade(*args)

        house.app.evaluating._grader.grade = broken  # type: ignore[method-assign]
        for _ in range(2):
            house.says("a", "Berlin.")
            await house.ask("m-a")
        await house.scored(2)
        assert house.app.evaluating.counts["unscored_crashed"] == 1 and house.app.evaluating.counts["scored"] == 1
        assert [e for e in house.app.timeline.last() if e.kind == "task_failed" and e.subject == "evaluation"]


async def test_the_reference_in_the_shadow_of_itself_costs_nothing(tmp_path: Path) -> None:
    """Where the reference serves, its answer is what a shadow is compared with; its own is as good as itself."""
    async with Scored(tmp_path, score="exact", reference="gold", shadow=1.0) as house:
        house.says("gold", "Berlin")
        house.says("a", "Berlin")
        house.says("b", "Berlin")
        await house.ask("gold")
        await house.scored(2)
        assert len(house.asked("gold")) == 1, "it was not asked again"
        assert house.level("gold/gold").total == 1.0
        assert house.level("a/m-a").total + house.level("b/m-b").total == 1.0
