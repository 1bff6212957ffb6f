"""The card: provenance, every figure from the run, failures told from the figures."""

from __future__ import annotations

from importlib import resources

from lbd.router.score import packaged
from lbd.train import card
from lbd.train.run import KNOWN, train
from lbd.train.vectors import Signs
from tests.unit.train.made import rows


def test_a_card_tells_what_was_trained_and_what_was_reached() -> None:
    """And where it fails, even where all is well."""
    trained = train(rows(), lambda _: None, source=Signs())
    text = card.write(trained)
    for line in trained.lines:
        assert f"{line.apgr:.3f}" in text
    for gate in trained.gates:
        assert f"{gate.known[0]:.3f}" in card.gates(trained)
    assert "terms of the sources were not verified" in text and "signs by hash" in text
    bad = trained._replace(
        lines=[x._replace(apgr=0.4, low=0.3) if x.by == KNOWN else x for x in trained.lines],
        deployed=[x._replace(kept=0.5) for x in trained.deployed],
        picked=[x._replace(quality=0.5) for x in trained.picked],
    )
    told = card.failures(bad)
    for word in ("not told from random", "no better than the prompt's length", "was not kept", "picking is worse"):
        assert word in told
    fine = trained._replace(
        lines=[x._replace(apgr=0.9 if "families" in x.by else 0.5, low=0.8) for x in trained.lines],
        deployed=[],
        picked=[],
    )
    assert card.failures(fine) == "- none in these figures."


def test_the_packaged_card_is_of_the_packaged_weights() -> None:
    """By hash; and no machine's path is in it."""
    import hashlib

    folder = resources.files("lbd.router")
    text = folder.joinpath("CARD.md").read_text(encoding="utf-8")
    assert hashlib.sha256(folder.joinpath("weights.bin").read_bytes()).hexdigest() in text
    assert packaged().sha256
