"""The page's files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from lbd.ingress.assets import FILES, FOLDER, Asset
from tests.fakes.house import House

# As published in uplot 1.6.32 on npm (dist/, MIT); what is served is what was looked at.
VENDORED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def test_what_was_taken_from_others_is_as_they_published_it() -> None:
    """With its licence."""
    for name, digest in VENDORED.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name
    assert "MIT" in (FOLDER / "uPlot.LICENSE").read_text()


def test_every_file_is_named_in_the_list() -> None:
    """Nothing lies there that nobody is served, but licences."""
    assert {p.name for p in FOLDER.iterdir() if p.suffix != ".LICENSE"} == set(FILES)


def test_own_files_reach_for_nothing_elsewhere() -> None:
    """No address of another host in style or script."""
    for name in ("page.css", "page.js", "chart.js"):
        text = (FOLDER / name).read_text()
        assert "http:" not in text and "https:" not in text and "@import" not in text and "eval(" not in text


def test_the_path_changes_with_the_contents(tmp_path: Path) -> None:
    """So that a browser may keep it for ever."""
    (tmp_path / "a.css").write_text("a")
    one = Asset(tmp_path / "a.css")
    (tmp_path / "a.css").write_text("b")
    assert one.path != Asset(tmp_path / "a.css").path
    assert gzip.decompress(one.packed) == one.body == b"a" and one.type == "text/css"


async def test_files_are_served_packed_and_to_be_kept(tmp_path: Path) -> None:
    """Each under its path; others are not there."""
    async with House(tmp_path) as house:
        assets = house.admin.page.assets
        for path in (assets.css, assets.js, assets.chart_css, *assets.chart_js):
            async with house.tcp.get(path, headers={"accept-encoding": "gzip"}) as response:
                assert response.status == 200 and response.headers["content-encoding"] == "gzip"
                assert "immutable" in response.headers["cache-control"]
                assert response.headers["x-content-type-options"] == "nosniff"
            async with house.tcp.get(path, headers={"accept-encoding": "identity"}) as response:
                assert "content-encoding" not in response.headers and len(await response.read()) > 500
        async with house.tcp.get("/assets/000-page.css") as response:
            assert response.status == 404
        async with house.tcp.get("/assets/..%2Fshell.py") as response:
            assert response.status == 404
