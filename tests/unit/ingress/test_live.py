"""The live page: one drawing and one encoding a tick for all; who does not read holds nobody up."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lbd.ingress import live
from lbd.ingress.live import Hub
from lbd.ports.turns import Turns
from tests.fakes.house import House
from tests.fakes.wire import a_moment, until


async def messages(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """Return the next messages of a stream."""
    out: list[dict[str, Any]] = []
    async for line in response.content:
        if line.startswith(b"data: "):
            out.append(json.loads(line[6:]))
            if len(out) == count:
                break
    return out


async def page(house: House) -> str:
    """Return the address that a page follows."""
    async with house.tcp.get("/", headers={"accept": "text/html"}) as response:
        text = await response.text()
    return text.split('data-live="')[1].split('"')[0]


async def test_a_transition_reaches_every_viewer_at_once(tmp_path: Path) -> None:
    """Only what has changed, as one encoding however many look; and it is the fragment of the page."""
    async with House(tmp_path) as house:
        hub = house.admin.page.hub
        path = await page(house)
        viewers = [await house.tcp.get(path) for _ in range(5)]
        await until(lambda: hub.viewers == 5)
        house.app.owner.order(house.app.owner.rows[0], "drain", by="anna", reason="<b>tonight</b>")  # type: ignore[arg-type]
        told = []
        for viewer in viewers:
            parts, tick = {}, 0  # a picture that was begun before may show the event alone
            while "drain" not in parts.get("row-a/m-a", "") or "&lt;b&gt;tonight" not in parts.get("events", ""):
                (message,) = await messages(viewer, 1)
                parts, tick = {**parts, **message["parts"]}, message["tick"]
            told.append(tick)
            assert "table" not in parts
        assert len(set(told)) == 1, "all were told by the same encoding"
        for viewer in viewers:
            viewer.close()
        await until(lambda: hub.viewers == 0, 5)


async def test_nothing_is_drawn_while_nobody_looks(tmp_path: Path) -> None:
    """The task ends with the last viewer, and begins with the next."""
    async with House(tmp_path) as house:
        hub = house.admin.page.hub
        viewer = await house.tcp.get(await page(house))
        await until(lambda: hub.viewers == 1 and hub._running)
        viewer.close()
        await until(lambda: not hub._running, 5)
        drawn = hub.encoded
        house.app.owner.emit("x", "y", "z")
        await a_moment(0.3)
        assert hub.encoded == drawn
        again = await house.tcp.get(await page(house))
        await until(lambda: hub._running)
        again.close()


async def test_who_comes_back_gets_what_was_missed_or_the_whole(tmp_path: Path) -> None:
    """By the number of the last message seen."""
    async with House(tmp_path) as house:
        hub = house.admin.page.hub
        first = await house.tcp.get(await page(house))
        await until(lambda: hub.viewers == 1)
        seen = hub._tick
        house.app.owner.order(house.app.owner.rows[0], "drain", by="anna", reason="x")  # type: ignore[arg-type]
        await until(lambda: any(b"row-a/m-a" in m for _, m in hub._recent))
        async with house.tcp.get("/live", headers={"last-event-id": str(seen)}) as late:
            told = await messages(late, 1)
            assert told[0]["tick"] == seen + 1 and "table" not in told[0]["parts"]
        async with house.tcp.get("/live?since=999999") as lost:
            (whole,) = await messages(lost, 1)
            assert {"table", "verdict", "flow", "money", "events"} <= set(whole["parts"])
            assert 'id="row-a/m-a"' in whole["parts"]["table"] and not any(p.startswith("row-") for p in whole["parts"])
        first.close()


async def test_a_reload_that_changes_the_rows_sends_the_table(tmp_path: Path) -> None:
    """As a whole, since there are other rows in it."""
    async with House(tmp_path) as house:
        viewer = await house.tcp.get(await page(house))
        await until(lambda: house.admin.page.hub.viewers == 1)
        house.rows.pop()
        house.write()
        await house.app.reload(by="test")
        told = await messages(viewer, 1)
        while "table" not in told[-1]["parts"]:
            told = await messages(viewer, 1)
        assert "b/m-b" not in told[-1]["parts"]["table"].replace("events", "")
        viewer.close()


class Pipe(asyncio.Transport):
    """A connection that may not take anything."""

    def __init__(self, waiting: int = 0) -> None:
        super().__init__()
        self.waiting = waiting
        self.written: list[bytes] = []
        self.gone = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.gone


async def test_who_does_not_read_is_passed_over_and_then_gets_the_whole(tmp_path: Path) -> None:
    """No more than one picture waits for anybody; who is gone is let go."""
    async with House(tmp_path) as house:
        hub, turns = house.admin.page.hub, Turns(house.app.env)
        await hub.look()
        slow, quick, gone = (live.Viewer(Pipe(n)) for n in (live.MOST_WAITING + 1, 0, 0))
        gone.transport.gone = True  # type: ignore[attr-defined]
        hub._viewers = {slow, quick, gone}
        await hub._send(b"message", turns)
        assert slow.behind and slow.transport.written == [] and quick.transport.written == [b"message"]  # type: ignore[attr-defined]
        assert gone.gone.is_set()
        slow.transport.waiting = 0  # type: ignore[attr-defined]
        await hub._send(b"next", turns)
        assert b'"table"' in slow.transport.written[0] and not slow.behind  # type: ignore[attr-defined]
        await hub._send(None, turns)
        assert len(quick.transport.written) == 2  # type: ignore[attr-defined]
        hub._viewers = set()


@pytest.mark.parametrize(
    ("worked", "tick"),
    [(0.0, live.TICK), (0.9 * live.BUDGET, live.TICK), (2 * live.BUDGET, 2.0), (1.0, live.SLOWEST)],
)
def test_a_tick_is_as_long_as_what_it_costs_wants(worked: float, tick: float) -> None:
    """The page takes its share of a core and no more, however many look; nobody waits longer than the slowest tick."""
    assert live.pace(worked) == pytest.approx(tick)
    assert live.SLOWEST < live.STILL


async def test_a_picture_that_is_costly_is_drawn_less_often(tmp_path: Path) -> None:
    """And a transition nevertheless at once."""
    async with House(tmp_path) as house:
        hub, drawn = house.admin.page.hub, []
        draw = hub._draw

        async def costly(turns: Turns) -> Any:
            turns._worked += 4 * live.TICK * live.BUDGET
            drawn.append(asyncio.get_running_loop().time())
            return await draw(turns)

        hub._draw = costly
        viewer = await house.tcp.get(await page(house))
        await until(lambda: hub._running and len(drawn) > 1)
        count = len(drawn)
        await a_moment(2.2 * live.TICK)
        assert len(drawn) == count
        house.app.owner.order(house.app.owner.rows[0], "drain", by="anna", reason="x")  # type: ignore[arg-type]
        await until(lambda: len(drawn) > count, 1.5 * live.TICK)
        viewer.close()


async def test_an_old_protocol_and_a_crowd_are_refused_by_name(tmp_path: Path) -> None:
    """The page itself still works."""
    async with House(tmp_path) as house:
        hub: Hub = house.admin.page.hub
        old = aiohttp.ClientSession(f"http://127.0.0.1:{house.port}", version=aiohttp.HttpVersion10)
        async with old, old.get("/live") as response:
            assert response.status == 505
        hub._viewers = {live.Viewer(Pipe()) for _ in range(live.MOST_VIEWERS)}
        async with house.tcp.get("/live") as response:
            assert (
                response.status == 503 and str(live.MOST_VIEWERS) in (await response.json(content_type=None))["detail"]
            )
        hub._viewers = set()


async def test_the_end_lets_every_viewer_go(tmp_path: Path) -> None:
    """A page that is open holds up no shutdown."""
    async with House(tmp_path) as house:
        viewer = await house.tcp.get(await page(house))
        await until(lambda: house.admin.page.hub.viewers == 1)
        await house.admin.page.hub.close()
        async with asyncio.timeout(2):
            await viewer.read()


async def test_who_leaves_before_the_answer_is_no_error(tmp_path: Path, caplog: Any) -> None:
    """Nor who leaves in its midst: nothing is logged, nobody is kept."""
    async with House(tmp_path) as house:
        for pause in (0.0, 0.05):
            _, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await a_moment(pause)
            writer.transport.abort()
        await until(lambda: house.admin.page.hub.viewers == 0, 5)
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


async def test_many_who_open_the_page_at_once_look_at_one_picture(tmp_path: Path) -> None:
    """A crowd that comes with an outage costs no more than one."""
    async with House(tmp_path) as house:
        hub, drawn = house.admin.page.hub, []
        draw = hub._draw

        async def counted(turns: Turns) -> Any:
            drawn.append(1)
            return await draw(turns)

        hub._draw = counted
        await asyncio.gather(*(page(house) for _ in range(20)))
        assert len(drawn) == 1


async def test_no_change_is_lost_between_who_opens_the_page_and_who_follows_it(tmp_path: Path) -> None:
    """One picture is drawn at a time, and what it changes is told to whoever came meanwhile."""
    async with House(tmp_path) as house:
        hub, going, drawing = house.admin.page.hub, asyncio.Event(), []
        path, draw = await page(house), hub._draw

        async def slow(turns: Turns) -> Any:
            drawing.append(len(drawing))
            picture = await draw(turns)
            await going.wait()
            return picture

        hub._draw, hub._drawn_at = slow, -math.inf
        house.app.owner.order(house.app.owner.rows[0], "drain", by="anna", reason="x")  # type: ignore[arg-type]
        opening = asyncio.ensure_future(page(house))
        await until(lambda: bool(drawing))
        async with house.tcp.get(path) as viewer:
            await until(lambda: hub.viewers == 1)
            await a_moment(0.05)
            assert len(drawing) == 1
            house.app.owner.order(house.app.owner.rows[1], "drain", by="anna", reason="y")  # type: ignore[arg-type]
            going.set()
            told = await messages(viewer, 2)
        seen = int(path.rpartition("=")[2])
        assert [t["tick"] for t in told] == [seen + 1, seen + 2]
        assert "drain" in told[0]["parts"]["row-a/m-a"] and "drain" in told[1]["parts"]["row-b/m-b"]
        assert int((await opening).rpartition("=")[2]) == seen + 1


async def test_a_picture_of_before_a_pause_is_not_shown_because_somebody_has_just_come(tmp_path: Path) -> None:
    """Who follows again keeps the page drawn from then on; what was drawn an hour ago is drawn anew."""
    async with House(tmp_path) as house:
        hub = house.admin.page.hub
        await hub.look()
        never = asyncio.Event()
        task = asyncio.ensure_future(never.wait())
        hub._task = task  # type: ignore[assignment]
        before = await hub.look()
        hub._drawn_at -= live.SLOWEST + 1
        assert before[0] is not (await hub.look())[0]
        task.cancel()
        hub._task = None


async def test_what_has_just_happened_is_on_the_page(tmp_path: Path) -> None:
    """Who gives an order and goes back to the table sees it there, with a script and without."""
    async with House(tmp_path) as house:
        for state in ("drain", "maint"):
            await page(house)
            house.app.owner.order(house.app.owner.rows[0], state, by="anna", reason=f"{state} now")  # type: ignore[arg-type]
            async with house.tcp.get("/", headers={"accept": "text/html"}) as response:
                assert f"{state} now" in await response.text()
            if state == "drain":
                viewer = await house.tcp.get(await page(house))
                await until(lambda: house.admin.page.hub.viewers == 1)
                await a_moment(0.3)
        viewer.close()


async def test_who_saw_the_daemon_before_gets_the_whole(tmp_path: Path) -> None:
    """Numbers of messages are never those of an earlier run: the page would go on with half of two pictures."""
    async with House(tmp_path) as house:
        earlier = house.admin.page.hub
        await earlier.look()
        seen = earlier._tick + 3
        await a_moment(0.01)
        hub = Hub(house.console.scenery, earlier._draw)
        await hub.look()
        hub._tick += 5  # others have come back sooner
        pipe = Pipe()
        hub._catch_up(live.Viewer(pipe), seen)
        assert len(pipe.written) == 1 and b'"table"' in pipe.written[0]


async def test_a_picture_that_fails_lets_the_viewers_come_again(tmp_path: Path) -> None:
    """A page that nobody draws any more must not look live; the next one who comes has it tried again."""
    async with House(tmp_path) as house:
        hub = house.admin.page.hub
        path, draw = await page(house), hub._draw

        async def broken(turns: Turns) -> Any:
            raise KeyError("x")

        hub._draw = broken
        async with asyncio.timeout(5), house.tcp.get(path) as viewer:
            await viewer.read()
        assert hub.viewers == 0 and any(told["event"] == "task_failed" for told in house.logged)
        hub._draw = draw
        async with house.tcp.get(path) as viewer:
            house.app.owner.order(house.app.owner.rows[0], "drain", by="anna", reason="x")  # type: ignore[arg-type]
            assert await messages(viewer, 1)


async def test_who_asks_for_headers_alone_follows_nothing(tmp_path: Path) -> None:
    """A body after them would be taken for the next answer, and the page be drawn for nobody."""
    async with House(tmp_path) as house:
        async with asyncio.timeout(2), house.tcp.head("/live") as response:
            assert response.status == 405
        assert house.admin.page.hub.viewers == 0


async def test_while_one_transition_follows_the_other_they_are_drawn_together(tmp_path: Path) -> None:
    """The dearer a picture the more of them, for up to a tick: a bad night must not cost requests their turns."""
    async with House(tmp_path) as house:
        hub, drawn = house.admin.page.hub, []
        draw = hub._draw

        async def costly(turns: Turns) -> Any:
            turns._worked += live.TICK * live.BUSY / 2
            drawn.append(asyncio.get_running_loop().time())
            hub.kick()
            return await draw(turns)

        hub._draw = costly
        async with house.tcp.get(await page(house)):
            await until(lambda: len(drawn) > 3, 5)
        assert live.TICK / 2 <= drawn[3] - drawn[2] < live.TICK
