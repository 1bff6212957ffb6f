"""What is around every page: head, navigation, who is signed in; and the headers that keep it from harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lbd.page.markup import Html, Inner, el, join, span

# Nothing from elsewhere, nothing inline, in no frame; forms go to this page alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a form would come with Origin: null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_NAVIGATION = (("/", "Table"), ("/decisions", "Decisions"), ("/events", "Events"))
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='8' cy='8' r='6' fill='%23{}'/%3E%3C/svg%3E"
)
_COLOURS = {"pass": "1a7f43", "warn": "c98a00", "fail": "c0392b"}


class Visitor(NamedTuple):
    """Who looks. ``csrf`` is what their forms carry; ``may_sign_in``: there is a token to sign in with."""

    name: str | None = None
    csrf: str = ""
    may_sign_in: bool = False


class Assets(NamedTuple):
    """The paths of the page's files, with their contents' hash in them; ``chart`` those that only an open row needs."""

    css: str
    js: str
    chart_js: Sequence[str] = ()
    chart_css: str = ""


def document(
    title: str,
    body: Sequence[Inner],
    *,
    assets: Assets,
    visitor: Visitor,
    at: str = "",
    status: str = "pass",
    chart: bool = False,
    live: str | None = None,
) -> bytes:
    """Return a whole page. ``live`` is the address its script follows, None where nothing changes."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", rel="icon", href=_ICON.format(_COLOURS.get(status, "c98a00")), id="icon"),
        el("link", rel="stylesheet", href=assets.css),
        el("link", rel="stylesheet", href=assets.chart_css) if chart else None,
        *[el("script", src=src, defer=True) for src in (assets.js, *(assets.chart_js if chart else ()))],
    )
    page = el(
        "body",
        el("a", "skip to the contents", href="#main", class_="skip"),
        _header(visitor, at),
        el("main", *body, id="main"),
        data_live=live,
    )
    return f"<!doctype html>\n{el('html', head, page, lang='en')}\n".encode()


def _header(visitor: Visitor, at: str) -> Html:
    links = [el("a", word, href=to, aria_current="page" if to == at else None) for to, word in _NAVIGATION]
    return el(
        "header",
        el("a", "lbd", href="/", class_="brand"),
        el("nav", *links, aria_label="Pages"),
        span("live", "", id="live", role="status"),
        _visitor(visitor),
    )


def _visitor(visitor: Visitor) -> Html:
    if visitor.name is not None:
        return el(
            "form",
            span("dim", visitor.name),
            csrf(visitor),
            el("button", "Sign out", type="submit", class_="plain"),
            method="post",
            action="/sign-out",
            class_="who",
        )
    if visitor.may_sign_in:
        return el("a", "Sign in", href="/sign-in", class_="who")
    return span("who dim", "read only")


def csrf(visitor: Visitor) -> Html:
    """Return the field that shows that a form is this page's own."""
    return el("input", type="hidden", name="csrf", value=visitor.csrf)


def crumbs(*parts: Inner) -> Html:
    """Return where a page stands."""
    return el("p", join([el("a", "Table", href="/"), *parts], " / "), class_="crumbs")


def problem(title: str, detail: str, *, assets: Assets, visitor: Visitor) -> bytes:
    """Return a page that says what is wrong."""
    body = [el("h1", title), el("p", detail), el("p", el("a", "Back to the table", href="/"))]
    return document(f"{title} · lbd", body, assets=assets, visitor=visitor)
