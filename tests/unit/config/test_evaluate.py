"""The keys of evaluation, and what they become."""

from __future__ import annotations

import pytest

from lbd.model.evaluation import EvaluateSpec, JudgeSpec
from lbd.quality import embedding
from tests.fakes.configs import checked, file, problems, provider, warnings

TWO = (provider(), provider(name="b", shape="openai", row="name: gold"))


def given(text: str) -> str:
    """Return a configuration with these keys."""
    return file(*TWO, rest=f"evaluate: {{{text}}}\n")


def test_without_the_key_nothing_is_sampled() -> None:
    """And an empty one samples a little, at no cost."""
    assert checked(file()).evaluate is None
    assert checked(given("")).evaluate == EvaluateSpec(0.02, 0)


def test_every_key_reaches_its_spec() -> None:
    """Money in nano-USD; the judge with its usual words."""
    got = checked(
        given(
            "share: 0.1, budget_usd_per_day: 1.5, score: judge, metrics: [bleu], reference: b/gold, shadow: 0.5,"
            " judge: {model: m, manner: pairwise, criteria: short, max_tokens: 9, temperature: null},"
            " pass_from: {judge: 0.5}"
        )
    ).evaluate
    judge = JudgeSpec("m", "pairwise", "short", 9, None)
    assert got == EvaluateSpec(0.1, 1_500_000_000, "judge", ("bleu",), "b/gold", judge, 0.5, (("judge", 0.5),))
    assert got.of("judge", 0.6) == 1.0 and got.of("judge", 0.4) == 0.0 and got.of("bleu", 0.4) == 0.4
    assert got.outside == ("b/gold", "m")


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("score: blue", "evaluate.score", "no metric is called 'blue'; there are bleu, chrf"),
        ("metrics: [judge]", "evaluate.metrics[0]", "no metric is called 'judge'"),
        ("score: judge", "evaluate.score", "needs evaluate.judge"),
        ("score: chrf", "evaluate", "chrf compares with a reference: name the model in evaluate.reference"),
        ("score: judge, judge: {model: m, manner: pairwise}", "evaluate", "a pairwise judge compares"),
        ("score: chrf, reference: gpt", "evaluate.reference", "neither a model nor a deployment"),
        ("score: judge, judge: {model: a/n}", "evaluate.judge.model", "did you mean a/m"),
        ("pass_from: {chrf: 0.5}", "evaluate.pass_from.chrf", "it is not measured"),
        ("share: 0", "evaluate.share", ""),
        ("share: 1.5", "evaluate.share", ""),
    ],
)
def test_what_cannot_be_is_an_error_at_its_place(text: str, where: str, why: str) -> None:
    """With the remedy."""
    (found,) = problems(given(text))
    assert where in str(found) and why in str(found), found


def test_an_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first answer needs it."""
    monkeypatch.setattr(embedding, "available", lambda: False)
    (found,) = problems(given("score: embedding, reference: m"))
    assert "lbd[embedding]" in str(found)
    monkeypatch.setattr(embedding, "available", lambda: True)
    assert checked(given("score: embedding, reference: m")).evaluate is not None


def test_what_could_never_be_paid_for_is_worth_a_warning() -> None:
    """A judge, and no money for it."""
    (found,) = [w for w in warnings(given("score: judge, judge: {model: m}")) if "evaluate" in str(w)]
    assert "budget_usd_per_day is 0" in str(found)
    assert not [w for w in warnings(given("")) if "evaluate" in str(w)]
