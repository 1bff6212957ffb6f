"""Documents of the admin API to draw the operator's page from, and a reader of what was drawn."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import msgspec

from lbd.model import report as out
from lbd.model import service as shown
from lbd.page.home import Scene
from tests.fakes import console_server as made

TIME = made.TIME
NOW = 1795512000.0  # TIME
VOID = {"br", "hr", "input", "link", "meta", "rect", "path", "line", "circle", "polyline"}


def service(**more: Any) -> shown.ServiceOut:
    given: dict[str, Any] = {
        "rps": 12.4,
        "inflight": 7,
        "overhead_us": shown.OverheadOut(310.0, 640.0, 910.0, 3720),
        "slo": [shown.AttainmentOut("interactive", 990, 1000, 0.99, 0.95, 0.8)],
        "store": shown.StoreOut("sqlite", True),
        "loop_lag_s": 0.0,
        **more,
    }
    return shown.ServiceOut(**given)


def way(deployment: str | None = "openai-eu/gpt-4.1", rps: float = 4.0, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "surface": "support",
        "urgency": "interactive",
        "tier": "primary" if deployment else None,
        "deployment": deployment,
        "rps": rps,
        "usd_per_h": 1.5,
        "moved": False,
        "treated": False,
        **more,
    }
    return dict(msgspec.to_builtins(shown.FlowOut(**given)))


def document(*rows: out.DeploymentOut, **more: Any) -> dict[str, Any]:
    """Return the document of /v1/providers with all that the page shows."""
    cells = shown.CellsOut([1.0] * 10, [1.0] * 9 + [0.2], [None] * 11 + [0.98])
    listed = rows or (made.row(uptime_cells=cells), made.down())
    extra = {key: more.pop(key) for key in ("service", "flow", "quality_floors", "alerts") if key in more}
    told = made.providers(*listed, **more)
    told["service"] = msgspec.to_builtins(extra.get("service", service()))
    told["flow"] = extra.get("flow", [way()])
    told["quality_floors"] = extra.get("quality_floors", {"support": 0.85})
    told["alerts"] = extra.get("alerts", [])
    return told


def fleet(rows: int, *, down: int = 0, slow: int = 0, tiers: int = 3) -> dict[str, Any]:
    """Return the document of so many deployments in tiers; the first are down, the next over their target."""
    houses = ("openai-eu", "openai-us", "azure-eu", "anthropic", "bedrock-eu", "vertex-eu", "gpu-a", "gpu-b", "mistral")
    models = ("gpt-4.1", "claude-sonnet", "gpt-4.1-mini", "claude-haiku", "llama-3.3-70b")
    cells = shown.CellsOut([1.0] * 10, [1.0] * 9 + [0.2], [None] * 11 + [0.98])
    history = out.HistoryOut(60.0, [0.4 + 0.02 * (i % 9) for i in range(60)], [0.001] * 60, [30] * 60)
    made_of = []
    for i in range(rows):
        name = f"{houses[i % len(houses)]}/{models[i % len(models)]}{f'-{i}' if i >= 45 else ''}"
        late = {"ttft_s": made.windows(made.quantiles(0.9, 12.4, 14.0, 300))} if i < down + slow else {}
        made_of.append(made.down(name) if i < down else made.row(name, uptime_cells=cells, history=history, **late))
    each = -(-rows // tiers)
    levels = (("primary", 1.5), ("secondary", 3.0), ("tertiary", 10.0))[:tiers]
    parts = [out.TierOut(n, out.SloOut(s, 0.02), made_of[i * each :][:each]) for i, (n, s) in enumerate(levels)]
    well = made_of[down:]
    flow = [way(r.id, 1.0 + i % 4, surface=("support", "drafts")[i % 2]) for i, r in enumerate(well)]
    told = document(*made_of, flow=flow, status="warn" if down else "pass")
    return {**told, "tiers": [msgspec.to_builtins(part) for part in parts]}


def savings(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "requests": 5000,
        "cost_usd": 12.4,
        "compared": {"requests": 4900, "cost_usd": 12.0, "premium_usd": 21.9, "cheapest_usd": 3.0},
        "saved_usd": 9.9,
        "saved_share": 0.452,
        "interval_usd": [9.1, 10.7],
        "overhead": {
            "probe_usd": 0.01,
            "evaluation_usd": 0.02,
            "failed_attempts_usd": 0.03,
            "cpu_usd": 0.0,
            "cpu_s": 9.0,
            "share": 0.0049,
        },
        **more,
    }
    return given


def budget(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "scope": "client",
        "name": "bot",
        "period": "day",
        "hard": True,
        "limit_usd": 50.0,
        "spent_usd": 31.0,
        "reserved_usd": 0.5,
        "left_usd": 18.5,
        "resets_in_s": 43200.0,
        **more,
    }
    return given


def experiment(**more: Any) -> dict[str, Any]:
    metric = {
        "metric": "errors",
        "control": {"n": 400, "mean": 0.01},
        "treatment": {"n": 100, "mean": 0.04},
        "difference": 0.03,
        "interval": [0.01, 0.05],
        "relative": None,
        "relative_interval": None,
        "shown": "worse",
        "limit": 0.02,
        "keeps_limit": False,
    }
    arm = {"units": 100, "requests": 500, "unpriced": 0, "scores": 3}
    given: dict[str, Any] = {
        "name": "cheap-first",
        "state": "running",
        "share": 0.2,
        "by": "session",
        "confidence": 0.95,
        "arms": {"control": arm, "treatment": arm},
        "metrics": [metric, {**metric, "metric": "quality", "interval": None, "difference": None, "limit": None}],
        "verdict": "the treatment is worse in errors",
        **more,
    }
    return given


def alert(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": "a1",
        "rule": "error_rate",
        "subject": "openai-eu/gpt-4.1",
        "severity": "critical",
        "state": "firing",
        "since": "2026-11-24T09:10:00.000Z",
        "title": "A deployment fails too often",
        "text": "2.8 % of 288 attempts failed",
        "remedy": "Take it out: lbd ctl drain.",
        "silenced_until": None,
        "silenced_by": None,
        **more,
    }
    return given


def scene(told: dict[str, Any] | None = None, **more: Any) -> Scene:
    given: dict[str, Any] = {
        "providers": told or document(),
        "savings": savings(),
        "budgets": [budget()],
        "experiments": [experiment()],
        "events": [made.event(n) for n in range(1, 4)],
        **more,
    }
    return Scene(**given)


class Read(HTMLParser):
    """Reads markup strictly: every element is closed where it should be, and no attribute stands twice."""

    def __init__(self, markup: str | bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(markup.decode() if isinstance(markup, bytes) else markup)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), attrs
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, (tag, self._open)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such element."""
        named = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in named.items())]

    def harmless(self) -> None:
        """Assert that nothing in it runs, styles, frames or leads elsewhere."""
        for tag, attributes in self.elements:
            assert tag not in ("iframe", "object", "embed", "base", "style", "img", "foreignobject"), tag
            for name, value in attributes.items():
                assert not name.startswith("on") and name not in ("style", "srcdoc"), (tag, name)
                if name in ("href", "src", "action"):
                    assert tag == "link" or (value is not None and value[:1] in ("/", "#")), (tag, value)
                    assert value is not None and not value.startswith("//"), (tag, value)
            if tag == "script":
                assert set(attributes) == {"src", "defer"}
