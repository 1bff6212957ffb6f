"""The provider table: every column of every row, and a line of words where one is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.model import report as out
from lbd.model.scored import ScoredOut
from lbd.page import state, table
from tests.fakes import console_server as made
from tests.fakes.scenes import NOW, Read, document


def drawn(floor: float | None = 0.85, **more: object) -> Read:
    tier, row = next(iter(state.rows(document(made.row(**more)))))
    return Read(f"<table><tbody>{table.row(tier, row, NOW, floor)}</tbody></table>")


def words(read: Read) -> str:
    return read.text.replace("\u202f", " ")


def test_a_row_has_a_cell_for_every_column() -> None:
    """In order, the name being its head."""
    read = drawn()
    cells = [a["class"] for tag, a in read.elements if tag in ("td", "th")]
    assert cells == [class_ for class_, *_ in table.COLUMNS]
    assert read.all("th", scope="row")
    head = Read(f"<table>{table.head()}</table>")
    assert len(head.all("th", scope="col")) == len(table.COLUMNS)


def test_a_healthy_row_in_words() -> None:
    """Numbers with their units, the samples behind them, and no line below."""
    read = drawn()
    told = words(read)
    for part in ("● up", "for 20 min", "openai-eu/gpt-4.1", "gpt-4.1-2025 · eu · openai", "closed", "310 820 1200"):
        assert part in told.replace("310820", "310 820 ").replace("  ", " "), (part, told)
    for part in ("0.4 %of 1 841", "6.1040 tok/s", "14 / 64", "81 %no 429", "$0.42/h$0.0031/1k", "0.92", "58 % / 60 %"):
        assert part in told, (part, told)
    assert len(read.all("tr")) == 1


def test_a_row_that_is_down_has_a_line_of_words() -> None:
    """Coloured and said."""
    tier, row = next(iter(state.rows(document(made.down()))))
    read = Read(f"<table><tbody>{table.row(tier, row, NOW, None)}</tbody></table>")
    assert [a["class"] for a in read.all("tr")] == ["is-bad", "why is-bad"]
    assert "down for 4 min: breaker_open: opened by connect" in words(read)
    assert "trial in 9 s" in words(read)


def test_an_order_is_seen_on_a_healthy_row() -> None:
    """Drained is not ill."""
    assert drawn(admin=out.AdminOut("drain", None, "anna")).all("tr")[0]["class"] == "is-order"


def test_what_is_over_its_limit_is_marked() -> None:
    """p95 above the target, errors above the tier's limit, quota that ends."""
    read = drawn(
        ttft_s=made.windows(made.quantiles(0.5, 2.0, 3.0, 9)),
        errors=out.ErrorsOut(0.5, 4, {"rate_limited": 2}, 0.0),
        quota_left=0.0,
    )
    assert len(read.all("span", class_="warn")) == 1 and len(read.all("span", class_="bad")) == 2
    assert "0 %2 of 429" in words(read)


def test_no_data_is_no_zero() -> None:
    """A row that nobody used yet."""
    read = drawn(
        ttft_s=made.windows(),
        errors=out.ErrorsOut(None, 0, {}, None),
        quota=[],
        quota_left=1.0,
        cost=out.SpendingOut(None, None),
        quality={},
        share=out.ShareOut(0.0, None),
        probes=[],
        throughput_tps=None,
        limit=None,
        inflight=0,
    )
    told = words(read)
    assert "no price" in told and "unknown" in told and "none yet" in told and "· / 0 %" in told
    assert "of 0" not in told


def test_quality_is_what_was_scored_and_stands_against_the_floor() -> None:
    """Its lower bound counts; a family that has become worse is told by colour and word."""
    scored = ScoredOut("all", 0.9, 0.83, 0.95, 200.0, 240, 1.0, "dropped", 0.95)
    read = drawn(scores=[scored])
    assert "0.90 ≥ 0.83" in words(read)
    assert read.all("svg", aria_label="quality 0.90, 240 scores; floor 0.85")
    assert drawn(0.95).all("span", class_="warn")


def test_the_probe_that_failed_is_the_one_that_is_shown() -> None:
    """Not the last one."""
    probes = [out.ProbeOut("models", "up", 1.0, 20.0, ""), out.ProbeOut("liveness", "down", 9.0, 1500.0, "silent")]
    read = drawn(probes=probes, health=made.health(stale=True))
    assert "down 1.50 s9 s ago stale" in words(read)


def test_servers_that_tell_their_load_have_it_shown() -> None:
    """Beside what lbd has there."""
    assert "1 run, 2 wait" in words(drawn(server_load=out.LoadOut(1, 2, 4, 1.0)))


def test_rows_come_by_the_share_they_are_meant_to_get() -> None:
    """Then by name, so that equals stay where they are."""
    rows = [
        made.row("p/b", share=out.ShareOut(0.2, 0.9)),
        made.row("p/a", share=out.ShareOut(0.2, None)),
        made.row("p/z"),
    ]
    tier = document(*rows)["tiers"][0]
    assert [row["id"] for row in table.sorted_rows(tier)] == ["p/z", "p/a", "p/b"]


def order(shares: dict[str, float], before: list[str], *, down: str = "", worst_first: bool = False) -> list[str]:
    """Return the order of rows with these shares, of which there was an order before."""
    rows = [
        made.row(id_, share=out.ShareOut(share, None), state="down" if id_ == down else "up")
        for id_, share in shares.items()
    ]
    places = {id_: i for i, id_ in enumerate(before)}
    listed = table.sorted_rows(document(*rows)["tiers"][0], places, worst_first=worst_first)
    return [row["id"] for row in listed]


def test_rows_keep_their_places_while_shares_waver() -> None:
    """Rows that jump can be neither read nor clicked; what is clearly in the wrong place, new or gone, moves them."""
    before = ["p/a", "p/b", "p/c"]
    assert order({"p/a": 0.30, "p/b": 0.33, "p/c": 0.30}, before) == before
    assert order({"p/a": 0.0, "p/b": 0.02, "p/c": 0.01}, before) == before
    assert order({"p/a": 0.1, "p/b": 0.3, "p/c": 0.2}, before) == ["p/b", "p/c", "p/a"]
    assert order({"p/a": 0.30, "p/b": 0.33, "p/d": 0.31}, before) == ["p/b", "p/d", "p/a"]
    assert order({"p/b": 0.30, "p/c": 0.33}, before) == ["p/b", "p/c"]


def test_where_there_are_many_rows_those_that_are_down_come_first() -> None:
    """They are meant to get nothing, and would stand where nobody looks; back again they go to their places."""
    shares, before = {"p/a": 0.6, "p/b": 0.4, "p/c": 0.0}, ["p/a", "p/b", "p/c"]
    assert order(shares, before, down="p/c") == before
    assert order(shares, before, down="p/c", worst_first=True) == ["p/c", "p/a", "p/b"]
    assert order(shares, ["p/c", "p/a", "p/b"], down="p/c", worst_first=True) == ["p/c", "p/a", "p/b"]
    assert order(shares, ["p/c", "p/a", "p/b"], worst_first=True) == before


def test_a_tier_says_its_targets() -> None:
    """And how many of it are up."""
    tier = document()["tiers"][0]
    told = words(Read(f"<table><tbody>{table.group(tier)}</tbody></table>"))
    assert told == "primary first content p95 ≤ 1.50 s, errors ≤ 2 %, 1 of 2 up"


@given(st.text(min_size=1, max_size=30))
def test_a_path_names_one_deployment(name: str) -> None:
    """Whatever is in its name, slashes too."""
    from urllib.parse import unquote

    from hypothesis import assume

    assume(not any(0xD800 <= ord(c) < 0xE000 for c in name))
    path = table.path(f"p/{name}")
    assert path.isascii() and path.count("/") == 3 and "?" not in path and "#" not in path
    assert unquote(path.rsplit("/", 1)[1]) == name
