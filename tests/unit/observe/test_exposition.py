"""How metrics are written: what the library's own parsers read is what was meant."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from lbd.observe.exposition import LINES, Exemplar, Family, Histograms, Series, pieces

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def whole(*families: Family | Histograms, openmetrics: bool = False) -> str:
    return "".join(pieces(families, openmetrics=openmetrics))


def test_text_for_prometheus_names_counters_in_full() -> None:
    """Help, type, samples."""
    page = whole(Family("lbd_requests", "counter", "Requests.", ("class",), [(("interactive",), 3)]))
    assert page == (
        "# HELP lbd_requests_total Requests.\n# TYPE lbd_requests_total counter\n"
        'lbd_requests_total{class="interactive"} 3.0\n'
    )
    page = whole(Family("lbd_build", "info", "Version.", ("version",), [(("1",), 1)]))
    assert '# TYPE lbd_build_info gauge\nlbd_build_info{version="1"} 1.0\n' in page


def test_openmetrics_names_families_and_has_an_end() -> None:
    """The suffix stands at the sample alone."""
    page = whole(Family("lbd_requests", "counter", "Requests.", (), [((), 3)]), openmetrics=True)
    assert page == "# HELP lbd_requests Requests.\n# TYPE lbd_requests counter\nlbd_requests_total 3.0\n# EOF\n"


SERIES = Series(("a/m",), (0.1, 1.0), (2, 0, 1), 5.25, (None, None, Exemplar(TRACE, 5.0, 1_700_000_000.5)))


def test_buckets_are_summed_up_and_the_last_is_open() -> None:
    """Count and sum behind them."""
    page = whole(Histograms("lbd_x_seconds", "X.", ("deployment",), [SERIES]))
    assert page.splitlines()[2:] == [
        'lbd_x_seconds_bucket{deployment="a/m",le="0.1"} 2.0',
        'lbd_x_seconds_bucket{deployment="a/m",le="1.0"} 2.0',
        'lbd_x_seconds_bucket{deployment="a/m",le="+Inf"} 3.0',
        'lbd_x_seconds_count{deployment="a/m"} 3.0',
        'lbd_x_seconds_sum{deployment="a/m"} 5.25',
    ]
    bare = whole(Histograms("lbd_x_seconds", "X.", (), [SERIES._replace(labels=())]))
    assert 'lbd_x_seconds_bucket{le="0.1"} 2.0\n' in bare and "lbd_x_seconds_count 3.0\n" in bare


def test_exemplars_are_traces_of_openmetrics_alone() -> None:
    """The strict parser reads them back."""
    family = Histograms("lbd_x_seconds", "X.", ("deployment",), [SERIES])
    assert TRACE not in whole(family)
    (read,) = parse_openmetrics(whole(family, openmetrics=True))
    found = {s.labels["le"]: s.exemplar for s in read.samples if s.exemplar is not None}
    assert found.keys() == {"+Inf"}
    assert (found["+Inf"].labels, found["+Inf"].value) == ({"trace_id": TRACE}, 5.0)
    assert float(found["+Inf"].timestamp) == 1_700_000_000.5


@given(
    value=st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30),
    number=st.floats(allow_nan=False),
    openmetrics=st.booleans(),
)
def test_whatever_stands_in_it_is_read_back(value: str, number: float, openmetrics: bool) -> None:
    """Quotes, backslashes and line ends of labels, and every number."""
    family = Family("lbd_x", "gauge", "X.", ("a", "b"), [((value, "plain"), number)])
    page = whole(family, openmetrics=openmetrics)
    if any(end in value for end in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
        assert page.count("\n") == 3 + openmetrics  # the library's parser takes these for ends of lines
        return
    parse = parse_openmetrics if openmetrics else parse_text
    (read,) = parse(page)
    (sample,) = read.samples
    assert (sample.labels, sample.value) == ({"a": value, "b": "plain"}, number)


@pytest.mark.parametrize(("value", "text"), [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (True, "1.0")])
def test_odd_numbers_have_their_words(value: float, text: str) -> None:
    """As Prometheus spells them."""
    assert whole(Family("lbd_x", "gauge", "X.", (), [((), value)])).endswith(f"lbd_x {text}\n")


def test_a_piece_is_bounded() -> None:
    """However many samples a family has; together they are the page."""
    family = Family("lbd_x", "gauge", "X.", ("i",), [((str(i),), i) for i in range(1050)])
    found = list(pieces([family], openmetrics=True))
    assert len(found) == 11 and all(piece.count("\n") <= LINES + 1 for piece in found)
    assert "".join(found).count("lbd_x{") == 1050 and found[-1].endswith("# EOF\n")
