"""The keys of traces, and what they become."""

from __future__ import annotations

from typing import Any

import pytest

from lbd import __version__
from lbd.config import traces
from lbd.model.tracing import TracesSpec
from lbd.observe import otlp
from tests.fakes.configs import LOCAL, checked, problems, warnings

URL = "http://127.0.0.1:4318"
OWN = (("service.name", "lbd"), ("service.version", __version__))


def spec(text: str, environ: dict[str, str] | None = None) -> TracesSpec:
    made = checked(f"{LOCAL}traces: {text}\n", environ).traces
    assert made is not None
    return made


def shown(made: TracesSpec) -> dict[str, str]:
    return {name: value.reveal() for name, value in made.headers}


def test_without_a_word_they_go_nowhere() -> None:
    """A collector has to be named."""
    assert checked(LOCAL).traces is None
    assert problems(f"{LOCAL}traces: {{}}\n") == ["6:1: traces: `otlp_url` is missing"]


def test_the_defaults_are_those_of_the_readme() -> None:
    """One in a hundred of the ordinary ones, and what its client records."""
    made = spec(f"{{otlp_url: {URL}}}")
    assert (made.keep_share, made.keep_sampled, made.timeout_s, made.headers) == (0.01, True, 10.0, ())
    assert made.url.reveal() == f"{URL}/v1/traces" and made.resource == OWN


@pytest.mark.parametrize("given", [URL, f"{URL}/", f"{URL}/v1/traces", f"{URL}/v1/traces/"])
def test_the_path_is_added_where_it_is_missing(given: str) -> None:
    """As for a base URL of any exporter; a path of a vendor's stays before it."""
    assert spec(f"{{otlp_url: '{given}'}}").url.reveal() == f"{URL}/v1/traces"
    assert spec("{otlp_url: https://h/api/otel}").url.reveal() == "https://h/api/otel/v1/traces"


def test_keys_are_named_by_references() -> None:
    """A header's value may have a space in it; what is no key may stand as it is."""
    made = spec(
        "{otlp_url: {env: U}, headers: {Authorization: {env: A}, x-honeycomb-team: {env: T}, x-scope-orgid: tenant-1}}",
        {"U": "https://user:pass@h", "A": "Basic dXNlcjpwYXNz\n".strip(), "T": "abc"},
    )
    assert made.url.reveal() == "https://user:pass@h/v1/traces"
    assert shown(made) == {
        "authorization": "Basic dXNlcjpwYXNz",
        "x-honeycomb-team": "abc",
        "x-scope-orgid": "tenant-1",
    }


def test_whose_they_are_can_be_told() -> None:
    """By the name of the service, and whatever else."""
    made = spec(f"{{otlp_url: {URL}, service_name: gateway, resource: {{deployment.environment.name: prod}}}}")
    assert made.resource == (("service.name", "gateway"), OWN[1], ("deployment.environment.name", "prod"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{otlp_url: h:4317}", "6:10: traces.otlp_url: must be an http:// or https:// URL"),
        ("{otlp_url: 'http://h/x?key=SECRET'}", "6:10: traces.otlp_url: a collector's URL ends with its path"),
        ("{otlp_url: 'http://h/v1/traces?'}", "6:10: traces.otlp_url: a collector's URL ends with its path"),
        ("{otlp_url: 'http://h/#'}", "6:10: traces.otlp_url: a collector's URL ends with its path"),
        ("{otlp_url: {env: GONE}}", "6:10: traces.otlp_url: the environment variable GONE is not set"),
        ("{otlp_url: http://h, keep_share: 1.5}", "6:30: traces.keep_share: expected a number <= 1"),
        ("{otlp_url: http://h, timeout_s: 0}", "6:30: traces.timeout_s: expected a number > 0"),
        ("{otlp_url: http://h, service_name: ''}", "6:30: traces.service_name: "),
        ("{otlp_url: http://h, headers: {'a b': c}}", "6:40: traces.headers.a b: not a header that can be sent"),
        ('{otlp_url: http://h, headers: {x-a: "b\\nc"}}', "6:40: traces.headers.x-a: not a header that can be sent"),
        ("{otlp_url: http://h, headers: {Host: c}}", "6:40: traces.headers.Host: lbd writes this header itself"),
        ("{otlp_url: http://h, headers: {x-a: b, X-A: c}}", "6:48: traces.headers.X-A: set twice"),
        ("{otlp_url: http://h, headers: {x-api-key: SECRET}}", "6:40: traces.headers.x-api-key: a secret stands here"),
        (
            "{otlp_url: http://h, resource: {service.name: x}}",
            "6:41: traces.resource.service.name: service.name is set",
        ),
        ("{otlp_url: http://h, sampled: true}", "6:30: traces.sampled: "),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, expected: str) -> None:
    """With the remedy, and never with a key."""
    told = problems(f"{LOCAL}traces: {text}\n")
    assert any(one.startswith(expected) for one in told), told
    assert "SECRET" not in repr(told)


def test_what_is_doubtful_is_a_warning() -> None:
    """A password in the file, keys that go over a network readable by everybody."""
    for who in ("user:SECRET", "SECRET"):
        told = warnings(f"{LOCAL}traces: {{otlp_url: 'https://{who}@h'}}\n")
        assert any("this URL is a key in plain text" in one for one in told) and "SECRET" not in repr(told)
        told = warnings(f"{LOCAL}traces: {{otlp_url: 'http://{who}@h'}}\n")
        assert any("readable by everybody" in one for one in told) and "SECRET" not in repr(told)
    header = "headers: {x-scope-orgid: t}"
    for url, doubtful in (("http://h", True), ("https://h", False), (URL, False), ("http://localhost:1", False)):
        told = warnings(f"{LOCAL}traces: {{otlp_url: '{url}', {header}}}\n")
        assert any("readable by everybody" in one for one in told) is doubtful, url


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the place that asks for it, beside everything else that is wrong."""
    monkeypatch.setattr(otlp, "installed", lambda: False)
    told = problems(f"{LOCAL}traces: {{otlp_url: h}}\n")
    assert told == [
        "6:1: traces: sending traces needs the extra: pip install 'lbd[otlp]'",
        "6:10: traces.otlp_url: must be an http:// or https:// URL",
    ]
    assert not problems(LOCAL), "who sends none does not need it"


def test_a_configuration_that_is_not_to_be_run_sends_nothing() -> None:
    """Neither ``lbd simulate`` nor ``lbd replay`` has anybody to tell."""
    given = traces.TracesConfig(otlp_url=URL)
    asked: list[Any] = []
    assert traces.spec(None, follow=lambda *a: asked.append(a), error=print, warn=print) is None and not asked
    assert given.keep_share == 0.01
