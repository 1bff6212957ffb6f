"""The operator's page in a real browser, before the daemon and real model servers."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from lbd.demo.servers import ModelServers
from lbd.page import home, shell
from tests.e2e.conftest import Daemon, tiers
from tests.fakes import console_server as made
from tests.fakes import scenes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = "let-me-in-1"
SIZES = ((1440, 900), (1024, 768), (390, 844))
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
BLANK = "about:blank"
COLOURS = ("#live", ".who")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: the page was not looked at in a browser")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("the package playwright is not installed: the page was not looked at in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def lbd(servers: ModelServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose page can be signed in to, and some requests behind it."""
    config = tiers(servers, probes={"every_s": 15}, allow_inline_secrets=True)
    running = Daemon(tmp_path_factory.mktemp("page"), config)
    where = {"listen": f"127.0.0.1:{running.admin_port}", "socket": str(running.socket), "token": TOKEN}
    running.write({**config, "admin": where})
    running.start()
    try:
        for n in range(4):
            assert running.chat(stream=False, max_tokens=3 + n)[0] == 200
        yield running
    finally:
        assert running.stop() == 0
        assert "Traceback" not in running.log()


class Watched:
    """A page of the browser; what it asked for and what went wrong in it is kept."""

    def __init__(self, page: Page, home: str) -> None:
        self.page = page
        self.home = home
        self.wrong: list[str] = []
        self.outside: list[str] = []
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.on(
            "request", lambda r: self.outside.append(r.url) if not r.url.startswith((home, "data:", BLANK)) else None
        )

    def text(self, of: str) -> str:
        """Return the words of an element, as they are seen."""
        return " ".join(self.page.inner_text(of).replace("\u202f", " ").split())

    def clean(self) -> None:
        """Assert that nothing went wrong, nothing came from elsewhere, and nothing is wider than the window."""
        assert self.wrong == [] and self.outside == []
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, wide


@contextlib.contextmanager
def opened(browser: Browser, lbd: Daemon, path: str = "/", **more: Any) -> Iterator[Watched]:
    """Open a path; at the end nothing may have gone wrong."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **more})
    try:
        found = Watched(context.new_page(), lbd.admin)
        found.page.goto(lbd.admin + path)
        yield found
        found.clean()
    finally:
        context.close()


def accessible(browser: Browser, lbd: Daemon, path: str, **more: Any) -> list[str]:
    """Return what axe-core finds wrong. Only its own script is let in; the page is otherwise as served."""
    context = browser.new_context(bypass_csp=True, **more)
    try:
        page = context.new_page()
        page.goto(lbd.admin + path)
        return violations(page)
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with what a page shows."""
    source = importlib.util.find_spec("axe_playwright_python")
    if source is None or source.origin is None:
        pytest.skip("the package axe-playwright-python is not installed: the page was not held to WCAG")
    page.evaluate(Path(source.origin).with_name("axe.min.js").read_text())
    found = page.evaluate("axe.run()")
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found["violations"]]


def eventually(true: Callable[[], object], within: float = 20.0) -> float:
    """Wait until it is so; returns how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within
        time.sleep(0.05)
    return time.monotonic() - began


ROW = '[id="row-{}/m"]'


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_whole_at_every_size_in_both_themes(
    browser: Browser, lbd: Daemon, size: tuple[int, int], scheme: Any
) -> None:
    """Verdict, numbers, rows, panels; accessible; nothing from elsewhere, no error, nothing wider than the window."""
    view: dict[str, Any] = {"viewport": {"width": size[0], "height": size[1]}, "color_scheme": scheme}
    with opened(browser, lbd, **view) as seen:
        assert seen.text("#verdict").startswith(("● PASS", "◐ WARN"))
        for name in ("a", "b", "c"):
            assert f"{name}/m" in seen.text(ROW.format(name))
        for part in ("numbers", "flow", "money", "events"):
            assert seen.page.is_visible(f"#{part}")
        light = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (light == "rgb(246, 247, 248)") is (scheme == "light")
    if scheme == "light" or size == SIZES[0]:
        assert accessible(browser, lbd, "/", **view) == []


STYLE = Path(home.__file__).with_name("static") / "page.css"


def still(told: dict[str, Any]) -> str:
    """Return the first screen of a document as one file, without a script."""
    scene = scenes.scene(told, events=[made.event(n) for n in range(1, 51)], experiments=[])
    assets = shell.Assets("/page.css", "/page.js")
    whole = home.page(home.drawn(scene), assets=assets, visitor=shell.Visitor(), live=None).decode()
    whole = whole.replace('<script src="/page.js" defer></script>', "")
    return whole.replace('<link rel="stylesheet" href="/page.css">', f"<style>{STYLE.read_text()}</style>")


@pytest.mark.parametrize(
    "told",
    [scenes.fleet(14), scenes.fleet(14, down=2, slow=1), scenes.fleet(18), scenes.fleet(40, down=1)],
    ids=["14", "14, three with a reason", "18", "40, one down"],
)
def test_a_fleet_fits_on_one_screen(browser: Browser, told: dict[str, Any]) -> None:
    """Verdict, every row that has something to tell, money and timeline, without a scroll bar either way."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.set_content(still(told))
        inside = page.evaluate(
            "document.querySelector('#table').scrollWidth - document.querySelector('#table').clientWidth"
        )
        assert inside <= 0 and page.evaluate("document.documentElement.scrollWidth") <= 1440
        assert page.evaluate("document.documentElement.scrollHeight") <= 900
        for part in ("verdict", "numbers", "flow", "money", "events"):
            assert page.is_visible(f"#{part}")
        open_tiers = [t for i, t in enumerate(told["tiers"]) if not page.locator(f"#fold-{i}").count()]
        shown = page.locator(".providers .c-name a:visible").count()
        assert shown == sum(len(tier["deployments"]) for tier in open_tiers) >= 14
        if len(open_tiers) < len(told["tiers"]):  # it takes a second for each hundred elements
            assert violations(page) == []
    finally:
        page.close()


def test_no_column_is_cut_off_where_the_window_is_narrow(browser: Browser) -> None:
    """Of a tablet either way up; on a phone the flow alone is wider than its panel, and is moved in it."""
    page = browser.new_page()
    try:
        page.set_content(still(scenes.fleet(14, down=2, slow=1)))
        for wide in (1180, 1024, 900, 820, 768, 721, 720, 390, 360):
            page.set_viewport_size({"width": wide, "height": 1024})
            cut = "document.querySelector('#table').scrollWidth - document.querySelector('#table').clientWidth"
            assert page.evaluate(cut) <= 0, wide
            assert page.evaluate("document.documentElement.scrollWidth") <= wide
        heights = page.evaluate(
            "[...document.querySelectorAll('.flow text')].map((t) => t.getBoundingClientRect().height)"
        )
        assert min(height for height in heights if height) >= 9  # those by cost are not shown
    finally:
        page.close()


def test_a_tier_that_is_well_is_opened_without_a_script(browser: Browser) -> None:
    """Of a crowd; and again folded."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.set_content(still(scenes.fleet(30, down=1)))
        rows = page.locator(".providers .c-name a")
        seen = [rows.nth(i).is_visible() for i in range(30)]
        assert seen == [True] * 10 + [False] * 20
        page.click('label[for="fold-1"]')
        assert [rows.nth(i).is_visible() for i in range(30)] == [True] * 20 + [False] * 10
        page.click('label[for="fold-1"]')
        assert not rows.nth(10).is_visible()
    finally:
        context.close()


def test_without_a_script_it_is_whole_and_stands_still(browser: Browser, lbd: Daemon) -> None:
    """Filters and the flow's measure are chosen by style alone."""
    with opened(browser, lbd, java_script_enabled=False) as seen:
        assert "a/m" in seen.text(ROW.format("a")) and "lbd's own" in seen.text("#money")
        assert seen.page.is_visible("#flow .for-rps") and not seen.page.is_visible("#flow .for-usd")
        seen.page.click('label[for="flow-by-usd"]')
        assert seen.page.is_visible("#flow .for-usd") and not seen.page.is_visible("#flow .for-rps")
        assert seen.page.locator(".event").first.is_visible()
        seen.page.click('label[for="events-orders"]')
        assert not seen.page.locator(".event.other").first.is_visible()


def test_a_server_that_freezes_is_seen_to_turn(browser: Browser, lbd: Daemon, mended: ModelServers) -> None:
    """Its row, the verdict and the timeline, without a reload; what somebody opened and chose stays so."""
    with opened(browser, lbd) as seen:
        eventually(lambda: seen.text("#live") == "live")
        eventually(lambda: "up" in seen.text(f"{ROW.format('a')} .c-state"))
        seen.page.click('label[for="flow-by-usd"]')
        seen.page.focus(f"{ROW.format('b')} .c-name a")
        seen.page.evaluate("window.kept = true")
        mended.signal("a", signal.SIGSTOP)
        asking = [threading.Thread(target=lbd.chat) for _ in range(2)]
        for thread in asking:
            thread.start()
        eventually(lambda: seen.text(f"{ROW.format('a')} .c-state").split()[1] in ("suspect", "down"), 30)
        assert "WARN" in seen.text("#verdict") and "a/m" in seen.text("#verdict")
        eventually(lambda: " for " in seen.text(f"{ROW.format('a')} .why"))
        assert "a/m state changed" in seen.text("#events")
        assert seen.page.title().startswith("WARN")
        mended.signal("a", signal.SIGCONT)
        for thread in asking:
            thread.join(60)
        eventually(
            lambda: "up" in seen.text(f"{ROW.format('a')} .c-state") or "recovering" in seen.text(ROW.format("a")), 30
        )
        assert seen.page.evaluate("window.kept") is True  # it was never loaded again
        assert seen.page.is_checked("#flow-by-usd") and seen.page.is_visible("#flow .for-usd")
        assert seen.page.evaluate("document.activeElement.textContent") == "b/m"


def test_an_order_is_given_by_click_with_a_script_and_without(browser: Browser, lbd: Daemon) -> None:
    """Signed in, with a reason; the row and the timeline show it; taking it back is as easy."""
    for script in (True, False):
        with opened(browser, lbd, "/deployments/c/m", java_script_enabled=script) as seen:
            page = seen.page
            page.click("p >> text=Sign in")
            page.fill("#token", "wrong")
            page.click("button.go")
            assert "not the token" in seen.text("[role=alert]")
            seen.wrong.clear()  # the browser tells of the 403
            page.fill("#token", TOKEN)
            page.fill("#name", "anna")
            page.click("button.go")
            page.goto(f"{lbd.admin}/deployments/c/m")
            page.click("text=Drain")
            page.fill("#reason", "quota <moves> tonight")
            page.select_option("#for", "1800")
            page.click("button.go")
            assert "Drain: done." in seen.text("[role=status].told")
            assert "drain, ends in 30 min by anna (page)" in seen.text("tbody .c-name")
            assert lbd.rows()["c/m"]["admin"]["state"] == "drain"
            page.goto(f"{lbd.admin}/")
            assert "quota <moves> tonight, by anna (page)" in seen.text("#events")
            page.goto(f"{lbd.admin}/deployments/c/m/ready")
            page.fill("#reason", "back")
            page.click("button.go")
            assert lbd.rows()["c/m"]["admin"]["state"] == "ready"
            page.click("text=Sign out")
            assert "Sign in" in seen.text("header")


def test_a_row_opens_to_six_hours_and_a_request_to_its_decision(browser: Browser, lbd: Daemon) -> None:
    """By links from the first screen; the chart is drawn by a script that is loaded only there."""
    loaded: list[str] = []
    with opened(browser, lbd) as seen:
        seen.page.on("request", lambda r: loaded.append(r.url))
        seen.page.keyboard.press("j")
        assert seen.page.evaluate("document.activeElement.closest('.c-name') !== null")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("#chart canvas")
        assert any("uPlot" in url for url in loaded) and any("/v1/deployments/" in url for url in loaded)
        assert "Six hours" in seen.text("main") and "Facts" in seen.text("main")
        assert int(seen.page.locator("#chart [role=img]").get_attribute("data-minutes") or 0) < 120  # it is young
        seen.page.goto(f"{lbd.admin}/decisions")
        seen.page.click("tbody >> nth=0 >> a >> nth=0")
        assert "Decision 1" in seen.text("main") and "latency x1" in seen.text("main")
        assert seen.page.is_visible("svg.gantt")
    asked = lbd.get("/v1/decisions?limit=1")["decisions"][0]["id"]
    for path in ("/deployments/a/m", "/decisions", f"/decisions/{asked}", "/events", "/sign-in"):
        assert accessible(browser, lbd, path) == [], path
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
    with opened(browser, lbd, f"/decisions/{asked}", **phone) as seen:
        axis = "document.querySelector('.gantt text').getBoundingClientRect().height"
        assert seen.page.evaluate(axis) >= 9
    assert accessible(browser, lbd, f"/decisions/{asked}", **phone) == []
    with opened(browser, lbd, "/deployments/a/m", java_script_enabled=False) as seen:
        assert seen.page.is_visible("svg.six")


def test_a_connection_that_is_lost_is_said_and_found_again(
    browser: Browser, servers: ModelServers, tmp_path: Path
) -> None:
    """A page that stands still never looks alive."""
    running = Daemon(tmp_path, tiers(servers))
    running.start()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(running.admin)
        eventually(lambda: page.inner_text("#live") == "live")
        assert running.stop() == 0
        eventually(lambda: "no connection" in page.inner_text("#live"))
        assert "lost" in page.title(), "nobody takes a verdict of then for one of now"
        assert float(page.evaluate("getComputedStyle(document.querySelector('main')).opacity")) < 1
        loud, plain = (page.evaluate(f"getComputedStyle(document.querySelector('{of}')).color") for of in COLOURS)
        assert loud != plain
        running.start()
        eventually(lambda: page.inner_text("#live") == "live" and page.title().startswith(("PASS", "WARN")))
    finally:
        context.close()
        running.stop()


def test_a_page_that_is_refused_tries_again_and_one_that_nobody_sees_rests(browser: Browser, lbd: Daemon) -> None:
    """A browser gives up a stream that was refused; and it has six connections for all the tabs of a host."""
    context = browser.new_context()
    context.add_init_script(
        "window.streams = [];"
        "window.EventSource = class extends EventSource { constructor(url) { super(url); streams.push(this); } };"
    )
    try:
        page = context.new_page()
        page.clock.install()
        page.route("**/live?**", lambda route: route.fulfill(status=503))
        page.goto(lbd.admin + "/deployments/a/m")
        title = page.title()
        page.clock.run_for(1500)
        eventually(lambda: "refused" in page.inner_text("#live"))
        page.unroute_all(behavior="wait")
        page.clock.run_for(5000)
        eventually(lambda: page.inner_text("#live") == "live")
        eventually(lambda: page.get_attribute("body", "data-tick"))
        assert page.title() == title and "a/m" in title, "tabs are told apart"
        for hidden in ("true", "false"):
            page.evaluate(
                f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
            *before, last = page.evaluate("streams.map((stream) => stream.readyState)")
            assert set(before) == {2} and (last == 2) == (hidden == "true")
        eventually(lambda: page.evaluate("streams.at(-1).readyState") == 1)
    finally:
        context.close()


def test_the_first_screen_is_small(lbd: Daemon) -> None:
    """Page, style and script together, unpacked; and no more than these three."""
    with urlopen(_html(lbd.admin + "/"), timeout=5) as response:
        body = response.read()
    whole = len(body)
    for path in _assets(body):
        with urlopen(lbd.admin + path, timeout=5) as response:
            whole += len(response.read())
    assert len(_assets(body)) == 2 and whole < 100_000, whole


def _html(url: str) -> Request:
    return Request(url, headers={"accept": "text/html"})


def _assets(body: bytes) -> list[str]:
    return [path.decode() for path in re.findall(rb'(?:href|src)="(/assets/[^"]+)"', body)]
