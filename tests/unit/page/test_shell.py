"""What is around every page keeps it from harm."""

from __future__ import annotations

from lbd.page import shell
from lbd.page.markup import el
from tests.fakes.scenes import Read

ASSETS = shell.Assets(
    "/assets/1-page.css", "/assets/2-page.js", ("/assets/3-u.js", "/assets/4-chart.js"), "/assets/5-u.css"
)


def page(visitor: shell.Visitor | None = None, **more: object) -> Read:
    read = Read(shell.document("title", [el("p", "body")], assets=ASSETS, visitor=visitor or shell.Visitor(), **more))  # type: ignore[arg-type]
    read.harmless()
    return read


def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline() -> None:
    """Not even in a frame."""
    rules = dict(rule.split(" ", 1) for rule in shell.POLICY.split("; "))
    assert rules["default-src"] == "'none'" and rules["frame-ancestors"] == "'none'" and rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["form-action"] == "'self'"
    assert "unsafe" not in shell.POLICY and "http" not in shell.POLICY


def test_a_page_has_a_language_a_title_and_a_way_past_the_navigation() -> None:
    """For who hears it."""
    read = page()
    assert read.all("html", lang="en") and read.all("main", id="main") and read.all("a", href="#main", class_="skip")
    assert read.text.startswith("title")


def test_the_chart_is_loaded_only_where_there_is_one() -> None:
    """The first screen has one style and one script."""
    assert [a["src"] for a in page().all("script")] == [ASSETS.js]
    assert len(page().all("link", rel="stylesheet")) == 1
    assert [a["src"] for a in page(chart=True).all("script")] == [ASSETS.js, *ASSETS.chart_js]


def test_who_is_signed_in_can_sign_out_by_a_form_of_their_own() -> None:
    """With what proves it; others are shown the way in, where there is one."""
    read = page(shell.Visitor("anna <b>", "secret-1", may_sign_in=True))
    assert "anna <b>" in read.text and read.all("form", action="/sign-out", method="post")
    assert read.all("input", name="csrf")[0]["value"] == "secret-1"
    assert page(shell.Visitor(may_sign_in=True)).all("a", href="/sign-in")
    assert "read only" in page().text and not page().all("form")


def test_where_one_stands_is_told() -> None:
    """In the navigation, and as a trail."""
    assert [a["href"] for a in page(at="/decisions").all("a", aria_current="page")] == ["/decisions"]
    assert Read(shell.crumbs("a", "b")).text == "Table / a / b"


def test_a_problem_is_a_page() -> None:
    """With the way back."""
    read = Read(shell.problem("Not Found", "there is no <x>", assets=ASSETS, visitor=shell.Visitor()))
    read.harmless()
    assert "there is no <x>" in read.text and read.all("a", href="/")
