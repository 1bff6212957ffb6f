"""The provider table as other tools read it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import orjson
import pytest

from lbd.ingress import export
from lbd.model import report as out
from tests.fakes import console_server as made
from tests.fakes.house import House
from tests.fakes.scenes import document


def read(told: dict[str, Any]) -> list[dict[str, str]]:
    text = export.lines(told)
    assert text.startswith("# pxname,svname,")
    return list(csv.DictReader(text.removeprefix("# ").splitlines()))


def test_without_a_wish_the_document_is_as_it_was() -> None:
    """Byte for byte, without a look into it."""
    assert export.shaped(b"anything", {}) == (b"anything", "application/json")


def test_fields_are_those_that_were_asked_for_and_the_id() -> None:
    """Of each deployment; the head stays."""
    body, kind = export.shaped(orjson.dumps(document()), {"fields": "state,ttft_s,id"})
    told = orjson.loads(body)
    assert kind == "application/json" and told["status"] == "pass"
    assert [list(r) for r in told["tiers"][0]["deployments"]] == [["id", "state", "ttft_s"]] * 2


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"format": "xml"}, "json, csv, envoy"),
        ({"fields": "stat"}, "there are id, provider"),
        ({"fields": "id", "format": "csv"}, "only of the JSON document"),
    ],
)
def test_what_cannot_be_asked_names_what_can(query: dict[str, str], words: str) -> None:
    """An error with its remedy."""
    with pytest.raises(ValueError, match=words):
        export.shaped(orjson.dumps(document()), query)


def test_csv_has_haproxy_s_names() -> None:
    """A tier is a proxy, a deployment a server; what is not known is empty."""
    up, down = read(document(made.row(), made.down()))
    assert (up["pxname"], up["svname"], up["status"], up["scur"], up["slim"]) == (
        "primary",
        "openai-eu/gpt-4.1",
        "UP",
        "14",
        "64",
    )
    assert (up["econ"], up["eresp"], up["rtime"], up["lastchg"], up["type"]) == ("0", "7", "310", "1200", "2")
    assert (up["check_status"], up["check_duration"]) == ("L7OK", "41")
    assert (down["status"], down["econ"], down["eresp"], down["slim"], down["rtime"]) == ("DOWN", "4", "0", "", "")


def test_csv_is_quoted_where_it_must_be() -> None:
    """A comma or a line's end in a probe's words breaks no line."""
    probe = out.ProbeOut("liveness", "down", 1.0, 2.0, 'refused, "really"\nyes')
    (line,) = read(document(made.row(admin=out.AdminOut("drain", None, "anna"), probes=[probe]))) or [{}]
    assert line["status"] == "DRAIN" and line["check_status"] == "L7TOUT"


def test_envoy_s_clusters_keep_causes_apart() -> None:
    """Flags by cause, success rate in per cent, the tier's place as priority."""
    told = export.clusters(document(made.row(), made.row("b/m", health=made.health(failed_outlier=True))))
    (cluster,) = told["cluster_statuses"]
    well, out_ = cluster["host_statuses"]
    assert cluster["name"] == "primary" and well["hostname"] == "openai-eu/gpt-4.1" and well["priority"] == 0
    assert well["address"] == {"socket_address": {"address": "api.example", "port_value": 443}}
    assert well["success_rate"] == {"value": 99.6}
    assert well["health_status"] == {
        "failed_active_health_check": False,
        "failed_outlier_check": False,
        "eds_health_status": "HEALTHY",
    }
    assert out_["health_status"]["failed_outlier_check"] is True
    nothing = export.clusters(document(made.row(errors=out.ErrorsOut(None, 0, {}, None))))
    assert "success_rate" not in nothing["cluster_statuses"][0]["host_statuses"][0]


async def test_each_form_is_an_entity_of_its_own(tmp_path: Path) -> None:
    """With its own tag, so that none is taken for another; what is wrong is a problem."""
    async with House(tmp_path) as house:
        tags = set()
        for query, kind in (
            ("", "application/json"),
            ("?format=csv", "text/csv"),
            ("?fields=state", "application/json"),
        ):
            async with house.tcp.get(f"/v1/providers{query}") as response:
                assert response.status == 200 and response.content_type == kind
                tags.add(response.headers["etag"].rpartition("-")[2])
        assert len(tags) == 3
        async with house.tcp.get("/v1/providers?format=xml") as response:
            assert response.status == 422
