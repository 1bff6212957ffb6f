"""The files of the operator's page, read once, by paths that change with their contents: a browser may keep them."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from aiohttp import web

from lbd import page as drawing
from lbd.ingress.problem import Problem
from lbd.page import shell

TYPES = {".css": "text/css", ".js": "text/javascript"}
FILES = ("page.css", "page.js", "chart.js", "uPlot.iife.min.js", "uPlot.min.css")
FOLDER = Path(drawing.__file__).with_name("static")
HEADERS = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}


class Asset:
    """A file of the page, as it is and packed."""

    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        self.packed = gzip.compress(self.body, 9, mtime=0)
        self.type = TYPES[path.suffix]
        self.path = f"/assets/{hashlib.sha256(self.body).hexdigest()[:12]}-{path.name}"


class AssetPages:
    """Adds its path to the admin application."""

    def __init__(self, router: web.UrlDispatcher) -> None:
        files = {name: Asset(FOLDER / name) for name in FILES}
        self._files = {asset.path.rpartition("/")[2]: asset for asset in files.values()}
        self.paths = shell.Assets(
            files["page.css"].path,
            files["page.js"].path,
            chart_js=(files["uPlot.iife.min.js"].path, files["chart.js"].path),
            chart_css=files["uPlot.min.css"].path,
        )
        router.add_get("/assets/{name}", self._asset)

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._files.get(request.match_info["name"])
        if asset is None:
            raise Problem(404, "there is no such file: load the page again")
        headers, body = HEADERS | {"vary": "accept-encoding"}, asset.body
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers, body = headers | {"content-encoding": "gzip"}, asset.packed
        return web.Response(body=body, content_type=asset.type, charset="utf-8", headers=headers)
