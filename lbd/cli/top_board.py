"""What ``lbd top`` shows and what its keys mean: a value, a key and a size in, lines out. Touches no terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lbd.cli import events, explain_text
from lbd.display import provider_table
from lbd.display.paint import Cell, Column, Paint, Row, cut, printable, tame, wrap
from lbd.display.paint import width as columns_of
from lbd.display.provider_table import ms, span

ACTIONS = {"d": "drain", "r": "ready", "m": "maint", "p": "probe-now", "b": "reset-breaker"}
KEYS = "q quit  ↑↓  d drain  r ready  m maint  p probe  b breaker  e events  x explain"
COLUMNS = (Column("mark", " "), *provider_table.COLUMNS)
DETAIL = 6  # lines on the selected row, at least
_SPARKS = "▁▂▃▄▅▆▇█"

# columns, rows, width, the selected row -> header lines, then one line for each row
Draw = Callable[[Sequence[Column], Sequence[Row], int, int | None], list[str]]


class Order(NamedTuple):
    """An order that was confirmed."""

    action: str
    deployment: str


class Quit(NamedTuple):
    """The end was asked for."""


class Board:
    """What is shown."""

    def __init__(self, document: dict[str, Any], brush: Paint, draw: Draw) -> None:
        self._document = document
        self._brush = brush
        self._draw = draw
        self._selected = 0
        self._pending: Order | None = None
        self._events: list[dict[str, Any]] = []
        self._plan: dict[str, Any] | str | None = None
        self.with_events = False
        self.with_plan = False
        self.message = Cell("")
        self.lost: str | None = None

    @property
    def selected(self) -> str | None:
        """Return the selected deployment's id."""
        ids = self._ids()
        return ids[self._selected] if ids else None

    @property
    def model(self) -> str | None:
        """Return the model that the selected deployment serves."""
        found = list(provider_table.rows(self._document))
        return str(found[self._selected][1]["model"]) if found else None

    def take(
        self, document: dict[str, Any], told: list[dict[str, Any]], plan: dict[str, Any] | str | None = None
    ) -> None:
        """Show another document; the selection stays with its deployment. ``plan``: a text says why there is none."""
        before = self.selected
        self._document, self._events, self._plan, self.lost = document, told, plan, None
        ids = self._ids()
        self._selected = ids.index(before) if before in ids else max(0, min(self._selected, len(ids) - 1))

    def press(self, key: str) -> Order | Quit | None:
        """Take in a key."""
        if self._pending is not None:
            order, self._pending = self._pending, None
            self.message = Cell("") if key == "y" else Cell(f"not done: {order.action} {order.deployment}", "dim")
            return order if key == "y" else None
        self.message = Cell("")
        match key:
            case "q":
                return Quit()
            case "up" | "k":
                self._selected = max(0, self._selected - 1)
            case "down" | "j":
                self._selected = max(0, min(len(self._ids()) - 1, self._selected + 1))
            case "home" | "g":
                self._selected = 0
            case "end" | "G":
                self._selected = max(0, len(self._ids()) - 1)
            case "e":
                self.with_events, self.with_plan = not self.with_events, False
            case "x":
                self.with_events, self.with_plan, self._plan = False, not self.with_plan, None
            case _ if key in ACTIONS and self.selected is not None:
                self._pending = Order(ACTIONS[key], self.selected)
                self.message = Cell(f"{ACTIONS[key]} {self.selected}? y does it, any other key does not", "bold")
            case _:
                pass
        return None

    # --- drawing -----------------------------------------------------------------------------------------

    def frame(self, width: int, height: int) -> list[str]:
        """Return the screen: verdict, table, the selected row, keys; never more lines than there are."""
        head, foot = self._head(width), self._foot(width)
        detail = self._detail(width)
        rows = [
            {"mark": Cell("▶" if i == self._selected else " ", "bold"), **cells}
            for i, cells in enumerate(provider_table.body(self._document))
        ]
        drawn = self._draw(COLUMNS, rows, width, self._selected if rows else None)
        titles, table = drawn[: len(drawn) - len(rows)], drawn[len(drawn) - len(rows) :]
        free = height - len(head) - len(titles) - len(foot) - 2
        shown = max(1, min(len(table), free - min(len(detail), DETAIL)))
        first = max(0, min(self._selected - shown // 2, len(table) - shown))
        more = "" if shown == len(table) else f"rows {first + 1} to {first + shown} of {len(table)}"
        body = [*titles, *table[first : first + shown], self._brush(more, "dim")]
        lines = [*head, *body, *detail][: height - len(foot)]
        return [*lines, *[""] * (height - len(foot) - len(lines)), *foot][-height:]

    def _ids(self) -> list[str]:
        return [row["id"] for _, row in provider_table.rows(self._document)]

    def _head(self, width: int) -> list[str]:
        d = self._document
        mark, sentence = provider_table.verdict(d)
        age = f"generation {d['generation']}, {span(d['data_age_ms'] / 1000)} old; {d['queue']} waiting"
        state = f"{provider_table.local(d['time'])}  {age}; lbd {d['version']}"
        if self.lost is not None:  # nobody may take the verdict of then for that of now
            state = f"as of {provider_table.local(d['time'])} it was: {mark.text}{sentence.text}"
            mark, sentence = Cell("◌ LOST", "bad"), Cell(f"  {self.lost}")
        first, *more = wrap(mark.text + sentence.text, width, indent="  ", lines=2)
        out = [self._brush(first[: len(mark.text)], mark.style) + self._brush(first[len(mark.text) :]), *more]
        return [*out, self._brush(cut(state, width), "dim"), ""]

    def _foot(self, width: int) -> list[str]:
        return [
            self._brush(cut(self.message.text, width), self.message.style),
            self._brush(cut(KEYS, width), "dim"),
        ]

    def _detail(self, width: int) -> list[str]:
        if self.selected is None:
            return ["no deployments"]
        if self.with_events:
            told = [
                printable("".join(cell.text for cell in events.line(e, about=self.selected)))
                for e in reversed(self._events)
            ]
            lines = told or [f"no events of {self.selected}"]
            return [self._brush(cut(f"Last events of {self.selected}", width), "bold"), *(cut(t, width) for t in lines)]
        if self.with_plan:
            title = self._brush(cut(f"A request for {printable(str(self.model))} now", width), "bold")
            return [title, *_planned(self._plan, width)]
        tier, row = list(provider_table.rows(self._document))[self._selected]
        return _detail(tier, row, self._document["time"], width, self._brush)


def _detail(tier: dict[str, Any], row: dict[str, Any], time: str, width: int, brush: Paint) -> list[str]:
    """Return what is worth knowing of one row beyond its cells."""
    why = provider_table.why(tier, row, time)
    since = span(provider_table.between(row["state_since"], time))
    cells = why or [Cell(f"● {row['id']}", "good"), Cell(f" {row['state']} for {since}: nothing is wrong with it")]
    first, *more = wrap("".join(c.text for c in cells), width, indent="  ", lines=3)
    mark = min(len(cells[0].text), len(first))
    out = [brush(first[:mark], cells[0].style) + brush(first[mark:]), *map(brush, more)]
    price = row["price"]
    cost = (
        f"{price['input_usd_per_mtok']:g}/{price['output_usd_per_mtok']:g} USD per Mtok" if price else "price unknown"
    )
    region = f", {row['region']}" if row["region"] is not None else ""
    facts = [f"{row['upstream_model']} at {row['base_url']} ({row['shape']}{region})", cost]
    facts += [f"quality {row['quality']['default']:g}"] if "default" in row["quality"] else []
    out.append(printable("; ".join(facts)))
    if (checked := row["quality_failures"])["n"]:
        out.append(f"answers that failed a check in 1 h: {checked['n']} of {checked['of']}")
    if row["probes"]:
        told = "; ".join(
            f"{p['kind']} {p['verdict']} {span(p['age_s'])} ago, {p['took_ms']:.0f}ms" for p in row["probes"]
        )
        out += wrap(f"probes: {told}", width, indent="  ", lines=2)
    if row["quota"]:
        quota = (
            f"{q['what']} {q['remaining']}{_of(q['limit'])}, new in {span(q['resets_in_s'])}" for q in row["quota"]
        )
        out.append(printable(f"quota left: {'; '.join(quota)}"))
    p95, requests = row["history"]["ttft_p95_s"], [n or None for n in row["history"]["requests"]]
    if (most := _most(p95)) is not None:
        out.append(f"TTFT p95 in 1 h {spark(p95, width - 40)} at most {ms(most)} ms")
    if (most := _most(requests)) is not None:
        out.append(f"requests in 1 h {spark(requests, width - 40)} at most {most:.0f} a minute")
    return [out[0], *(line if i < len(more) else cut(line, width) for i, line in enumerate(out[1:]))]


def _planned(plan: dict[str, Any] | str | None, width: int) -> list[str]:
    """Return where a request would go, and why; words where that is not known."""
    if not isinstance(plan, dict):
        return wrap(printable(plan or "asking"), width, indent="  ", lines=3)
    lines = explain_text.plan(tame(plan), Paint(False), width)
    return [part for line in lines for part in _narrow(line, width)]


def _narrow(line: str, width: int) -> list[str]:
    return [line] if columns_of(line) <= width else wrap(line, width, indent="  ", lines=3)


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {limit}"


def _most(values: Sequence[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)


def spark(values: Sequence[float | None], most: int) -> str:
    """Draw numbers as bars, the youngest at the right; a dot where there is none."""
    kept = values[-max(1, most) :]
    top = _most(kept) or 1.0
    return "".join("·" if v is None else _SPARKS[min(7, int(v / top * 7.999))] for v in kept)
