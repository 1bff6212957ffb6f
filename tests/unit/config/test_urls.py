"""URLs of those who are told something."""

from __future__ import annotations

import pytest

from lbd.config.urls import wrong_url


@pytest.mark.parametrize("url", ["http://h", "https://user:p@h:1/x?y", "http://[::1]:4318", "http://127.0.0.1:9093/a"])
def test_what_can_be_posted_to_is_right(url: str) -> None:
    """With or without a user, a port, a path."""
    assert wrong_url(url) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("h:4317", "must be an http:// or https:// URL"),
        ("grpc://SECRET", "must be an http:// or https:// URL"),
        ("http:///SECRET", "must be an http:// or https:// URL"),
        ("http://[SECRET", "this is no URL"),
        ("http://h:SECRET", "this is no URL"),
        ("http://h/SE CRET", "a URL has no spaces and only ASCII"),
        ("http://h/SECRET\u00e9", "a URL has no spaces and only ASCII"),
    ],
)
def test_what_is_wrong_is_told_without_the_url(url: str, why: str) -> None:
    """It may be a key."""
    assert wrong_url(url) == why
