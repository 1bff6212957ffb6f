"""A self-hosted server's own gauges of who runs and waits there reach decisions and the limit within one scrape."""

from __future__ import annotations

import pytest

from lbd.decide import route
from lbd.model.outcome import Verdict
from lbd.shapes.providers import PROVIDERS
from lbd.state.row import Row, capacity
from tests.fakes.tables import ask, owned, probe, provider, shares, terms

# The servers' own names and units: requests.
PAGES = {
    "vllm": 'vllm:num_requests_running{{engine="0"}} {}\nvllm:num_requests_waiting{{engine="0"}} {}\n',
    "sglang": 'sglang:num_running_reqs{{model_name="m"}} {}\nsglang:num_queue_reqs{{model_name="m"}} {}\n',
    "tgi": "tgi_batch_current_size {}\ntgi_queue_size {}\n",
    "llamacpp": "llamacpp:requests_processing {}\nllamacpp:requests_deferred {}\n",
}


def test_every_shape_that_tells_its_load_is_looked_at() -> None:
    """One that is added is added here."""
    assert {name for name, shape in PROVIDERS.load().items() if shape.probes.load is not None} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_queue_enters_score_and_limit_within_one_scrape(name: str) -> None:
    """An idle one beats its busy equal; what others sent there counts, and what waits of lbd's own cuts the limit."""
    shape = PROVIDERS.load()[name]
    both = [provider(p, shape=name, self_hosted=True) for p in ("p", "q")]
    env, owner = owned("p/a", "q/a", providers=both)
    busy, idle = owner.rows
    even = shares(route.rank(owner.snapshot, ask(), terms()))
    assert even["p/a"] == pytest.approx(even["q/a"])

    def scraped(row: Row, running: int, waiting: int) -> None:
        load = shape.read_load(PAGES[name].format(running, waiting).encode())
        assert load is not None and (load.running, load.waiting) == (running, waiting)
        found = probe("load", Verdict.BUSY if waiting else Verdict.UP, env.now(), load=load)
        owner.probed(row, found, completion=False)

    limit = capacity(busy)
    scraped(busy, 4, 3)
    scraped(idle, 0, 0)
    env.advance(0.2)
    owner.tick()
    views = {row.spec.id: row for row in owner.snapshot.rows}
    assert views["p/a"].load > views["q/a"].load == 0.0
    ranked = shares(route.rank(owner.snapshot, ask(), terms()))
    assert ranked["q/a"] > ranked["p/a"]
    assert capacity(busy) == limit, "others' queue says nothing of lbd's own limit"
    busy.inflight = 7
    scraped(busy, 4, 3)
    assert capacity(busy) == 4.0
