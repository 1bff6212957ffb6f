"""What the parts of a configuration mean to each other: names, keys, URLs, defaults, and what is doubtful."""

from __future__ import annotations

import hashlib
import json

import pytest

from lbd.decide import names
from lbd.model.plan import Target
from lbd.model.provider import Permission, SurfaceSpec
from lbd.model.request import AfterContent, Urgency
from lbd.shapes.providers import FORMAL
from tests.fakes.configs import ETC, LOCAL, checked, environment, file, problems, provider, warnings

# --- defaults --------------------------------------------------------------------------------------------


def test_what_is_not_given_is_filled_in() -> None:
    """Id and name from the model, the best tier, the shape's own facts."""
    got = checked(LOCAL)
    (spec,), (row,) = got.providers, got.deployments
    assert (row.id, row.model, row.upstream_model, row.tier) == ("local/m", "m", "m", "primary")
    assert (row.context_tokens, row.supports, row.quality, row.weight) == (None, None, {}, 1.0)
    assert (spec.base_url, spec.api_key, spec.headers) == ("http://127.0.0.1:8000/v1", None, ())
    assert row.self_hosted and row.unary_via_stream, "as llama.cpp's shape says"
    assert spec.keepalive_s < 5, "llama.cpp closes after five seconds"
    assert got.probe_kinds == tuple(sorted(got.probe_kinds)) and "liveness" in got.probe_kinds
    assert (got.rules, got.aliases, got.surfaces, got.clients, got.admin_token) == ((), (), {}, (), None)


def test_whose_rate_limits_a_deployment_is_under() -> None:
    """Its provider's for that model, its provider's group's for that model, or its own group's."""

    def account(more: str = "", row: str = "") -> str:
        (found,) = checked(file(provider(more, shape="openai", url="https://h.example/v1", row=row))).deployments
        return found.account

    assert account() == "a/m"
    assert account("quota_group: team", "upstream_model: up") == "team/up"
    assert account("quota_group: team", "quota_group: opus") == "opus"


def test_what_is_given_is_taken() -> None:
    """Every key of a provider and a deployment reaches its spec."""
    got = checked(
        file(
            provider(
                "api_key: {env: K}, region: eu, quota_group: g, headers: {X-A: b}, proxy: 'http://p:3128',"
                " connect_timeout_s: 1, keepalive_s: 9, max_concurrency: 7",
                shape="openai",
                url="https://h.example/v1/",
                row="name: n, upstream_model: u, tier: tertiary, context_tokens: 9, supports: [tools],"
                " price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2, cached_input_usd_per_mtok: 0.5},"
                " quality: {default: 0.5}, weight: 2, max_concurrency: 3",
            )
        ),
        {"K": "sk-1"},
    )
    (spec,), (row,) = got.providers, got.deployments
    assert spec.api_key is not None and spec.api_key.reveal() == "sk-1"
    assert (spec.base_url, spec.region, spec.quota_group) == ("https://h.example/v1", "eu", "g")
    assert (spec.headers, spec.proxy) == ((("X-A", "b"),), "http://p:3128")
    assert (spec.connect_timeout_s, spec.keepalive_s, spec.max_concurrency) == (1, 9, 7)
    assert (row.id, row.upstream_model, row.tier, row.context_tokens) == ("a/n", "u", "tertiary", 9)
    assert row.account == "g/u", "each model has its own limits"
    assert (row.supports, row.quality, row.weight, row.max_concurrency) == (
        frozenset({"tools"}) | FORMAL,
        {"default": 0.5},
        2,
        3,
    )
    assert row.price is not None and row.price.cached_input_usd_per_mtok == 0.5


def test_the_hash_follows_the_meaning_and_not_the_writing() -> None:
    """Comments and line breaks change nothing; a value does."""
    one = checked(LOCAL).hash
    assert one == checked("# a comment\n" + LOCAL.replace("[{model: m}]", "\n      - model: m")).hash
    assert one != checked(LOCAL.replace("model: m", "model: n")).hash
    assert len(one) == 16


# --- what is wrong ---------------------------------------------------------------------------------------

URLS = [
    (file(provider(url=url)), [f"2:26: providers[0].base_url: {reason}"])
    for url, reason in [
        ("api.openai.com/v1", "must be http(s)://host:port/path"),
        ("ftp://h/v1", "must be http(s)://host:port/path"),
        ("http://", "must be http(s)://host:port/path"),
        ("http:///v1", "must be http(s)://host:port/path"),
        ("", "must be http(s)://host:port/path"),
        ("http://h:x/v1", "must be http(s)://host:port/path"),
        ("http://::1/v1", "must be http(s)://host:port/path"),
        ("http://h:0/v1", "there is no port 0"),
        ("http://h:70000/v1", "there is no port 70000"),
        ("http://[::::1]/v1", "[::::1] is no IPv6 address"),
        ("http://foo..bar/v1", "foo..bar is no host name: each part between dots has 1 to 63 characters"),
        (f"http://{'x' * 64}.test/v1", f"{'x' * 64}.test is no host name"),
        ("https://h/v1?x=1", "must have no query or fragment"),
        ("https://h/v1#x", "must have no query or fragment"),
        ("https://sk-1@h/v1", "must name no user; a key belongs into api_key"),
        ("https://h ost/v1", "holds characters that no URL has"),
        ("https://höst/v1", "holds characters that no URL has"),
        (" https://h/v1", "holds characters that no URL has"),
        ("https://h/v1/chat/completions", "names an endpoint; write what stands before /chat/completions"),
    ]
]
WRONG = [
    # names twice
    (
        file(provider(), provider(row="name: x")),
        ["3:4: providers[1].name: a second provider 'a'; the first is at lbd.yaml:2:3"],
    ),
    (
        file(provider().replace("[{model: m}]", "[{model: m}, {model: M}]")),
        ["2:85: providers[0].deployments[1]: a second deployment 'a/m'; the first is at lbd.yaml:2:73: "],
    ),
    (
        file(rest="tiers: [{name: a, ttft_p95_s: 1}, {name: a, ttft_p95_s: 2}]\n"),
        ["3:36: tiers[1].name: a second tier 'a'"],
    ),
    (file(rest="surfaces: [{name: a}, {name: a}]\n"), ["3:24: surfaces[1].name: a second surface 'a'"]),
    (
        file(rest="clients: [{name: a, key: {env: A}}, {name: a, key: {env: B}}]\n"),
        ["3:38: clients[1].name: a second client 'a'"],
    ),
    (
        file(rest="clients: [{name: a, key: {env: A}}, {name: b, key: {env: A}}]\n"),
        ["3:47: clients[1].key: the same key as client 'a'"],
    ),
    # names of nothing
    (
        file(provider(row="tier: primry")),
        ["2:84: providers[0].deployments[0].tier: there is no tier 'primry' (did you mean primary?)"],
    ),
    (
        file(provider(row="tier: ''")),
        ["2:84: providers[0].deployments[0].tier: there is no tier ''. Known: primary, secondary,"],
    ),
    (
        file(provider(row="supports: [tool]")),
        ["2:84: providers[0].deployments[0].supports: 'tool' is no capability that shape vllm carries (did"],
    ),
    (file(rest="models: {x: n}\n"), ["3:10: models.x: 'n' is neither auto, a rule, nor a model that is offered"]),
    (
        file(rest="models: {x: atuo}\n"),
        ["3:10: models.x: 'atuo' is neither auto, a rule, nor a model that is offered (did you mean auto?)"],
    ),
    (file(rest="surfaces: [{name: s, models: {x: n}}]\n"), ["3:31: surfaces[0].models.x: 'n' is neither"]),
    (file(rest="surfaces: [{name: s, pin: n}]\n"), ["3:22: surfaces[0].pin: 'n' is neither a model nor a deployment"]),
    (
        file(rest="surfaces: [{name: s, pin: a/mm}]\n"),
        ["3:22: surfaces[0].pin: 'a/mm' is neither a model nor a deployment that is offered (did you mean a/m?)"],
    ),
    (
        file(rest="clients: [{name: c, key: {env: A}, surface: suport}]\nsurfaces: [{name: support}]\n"),
        ["3:36: clients[0].surface: there is no surface 'suport' (did you mean support?)"],
    ),
    (
        file(rest="scorer: {weights: {latncy: 1}}\n"),
        ["3:20: scorer.weights.latncy: no such term (did you mean latency?)"],
    ),
    (
        file(rest="scorer: {weights: {speed: 1}}\n"),
        ["3:20: scorer.weights.speed: no such term. Known: affinity, cost, errors,"],
    ),
    (
        file(rest="scorer: {weights: {latency: 0, errors: 0, load: 0, cost: 0, quality: 0, affinity: 0}}\n"),
        ["3:10: scorer.weights: at least one weight must be above 0"],
    ),
    (
        file(rest="scorer: {weights: {cost: 1e308, load: 1e308}}\n"),
        ["3:10: scorer.weights: at least one weight must be above 0, and"],
    ),
    (file(rest="probes: {kinds: [livenes]}\n"), ["3:18: probes.kinds[0]: no such probe (did you mean liveness?)"]),
    (
        file(rest="routing_rules: {r: {primary: x, fallback: [y]}}\n"),
        ["3:17: routing_rules.r: no provider offers any model of this rule. Offered: m"],
    ),
    (
        file(rest="routing_rules: {r: {primary: []}}\n"),
        ["3:17: routing_rules.r: no provider offers any model of this rule"],
    ),
    # names that are taken
    (
        file(provider().replace("model: m", "model: auto")),
        ["2:74: providers[0].deployments[0].model: a model needs a printable name of its own"],
    ),
    (file(provider().replace("model: m", "model: ' '")), ["2:74: providers[0].deployments[0].model: a model needs"]),
    (
        file(provider().replace("model: m", 'model: "a\\nb"')),
        ["2:74: providers[0].deployments[0].model: a model needs"],
    ),
    (
        file(rest="routing_rules: {auto: {primary: m}}\n"),
        ["3:17: routing_rules.auto: a rule needs a printable name of its own"],
    ),
    # URLs
    *URLS,
    (
        file(provider(url="X").replace("'X'", '"https://h/v1\\n"')),
        ["2:26: providers[0].base_url: holds characters"],
    ),
    (file(provider("proxy: 'socks5://p:1080'")), ["2:86: providers[0].proxy: must be http(s)://host:port/path"]),
    (file(provider("proxy: 'http://u:p@p:3128'")), ["2:86: providers[0].proxy: a password stands here in plain text"]),
    (
        file(provider("ca_file: /nowhere.pem")),
        ["2:86: providers[0].ca_file: '/nowhere.pem' cannot be used: No such file"],
    ),
    (file(provider("ca_file: /etc/hostname")), ["2:86: providers[0].ca_file: '/etc/hostname' cannot be used: "]),
    (file(provider('ca_file: "\\0"')), ["2:86: providers[0].ca_file: '\\x00' cannot be used: "]),
    # headers
    (file(provider("headers: {'a b': c}")), ["2:96: providers[0].headers.a b: not a header that can be sent"]),
    (file(provider('headers: {a: "b\\r\\nc: d"}')), ["2:96: providers[0].headers.a: not a header that can be sent"]),
    (file(provider("headers: {a: ü}")), ["2:96: providers[0].headers.a: not a header that can be sent"]),
    (file(provider("headers: {'': b}")), ["2:96: providers[0].headers.: not a header that can be sent"]),
    (
        file(provider("headers: {Content-Length: '5'}")),
        ["2:96: providers[0].headers.Content-Length: lbd writes this header itself"],
    ),
    (
        file(provider("headers: {transfer-encoding: x}")),
        ["2:96: providers[0].headers.transfer-encoding: lbd writes this"],
    ),
    (file(provider("headers: {HOST: x}")), ["2:96: providers[0].headers.HOST: lbd writes this header itself"]),
    (file(provider("headers: {X-A: b, x-a: c}")), ["2:104: providers[0].headers.x-a: set twice: the case"]),
    (
        file(provider("headers: {Authorization: Bearer sk-1}")),
        ["2:96: providers[0].headers.Authorization: a key stands here in plain text"],
    ),
    # secrets
    (file(provider("api_key: {env: GONE}")), ["2:86: providers[0].api_key: the environment variable GONE is not set"]),
    (file(provider("api_key: sk-1")), ["2:86: providers[0].api_key: a secret stands here in plain text"]),
    (file(rest="clients: [{name: a, key: {}}]\n"), ["3:21: clients[0].key: name exactly one of env, file, credential"]),
    (file(rest="admin: {token: {env: BAD}}\n"), ["3:9: admin.token: the environment variable BAD holds characters"]),
    # the daemon itself
    (file(rest="workers: 2\n"), ["3:1: workers: more than one worker process is not in this version of lbd; use 1"]),
    (file(rest="workers: 0\n"), ["3:1: workers: more than one"]),
    (file(rest="listen: 0.0.0.0:8080\n"), ["3:1: listen: listening beyond this host needs clients with keys"]),
    (file(rest="listen: ':8080'\n"), ["3:1: listen: listening beyond this host needs clients with keys"]),
    (file(rest="listen: localhost\n"), ["3:1: listen: 'localhost' is no address: write host:port"]),
    (file(rest="listen: localhost:99999\n"), ["3:1: listen: 'localhost:99999' is no address"]),
    (file(rest="listen: unix:lbd.sock\n"), ["3:1: listen: 'unix:lbd.sock': a unix socket needs an absolute path"]),
    (
        file(rest="admin: {listen: '10.0.0.1:8081'}\n"),
        ["3:9: admin.listen: an admin listener beyond this host needs admin.token"],
    ),
    (file(rest="admin: {listen: '127.0.0.1:8080'}\n"), ["3:9: admin.listen: 127.0.0.1:8080 is already the API's"]),
    (file(rest="admin: {socket: admin.sock}\n"), ["3:9: admin.socket: a unix socket needs an absolute path"]),
    (file(rest="store: {url: 'valkey://h'}\n"), ["3:9: store.url: valkey is not in this version of lbd"]),
    (file(rest="store: {url: 'mysql://h'}\n"), ["3:9: store.url: must be sqlite:///path"]),
    (file(rest="store: {url: 'sqlite:'}\n"), ["3:9: store.url: must be sqlite:///path"]),
    (file(rest="store: {url: 'sqlite://state.db'}\n"), ["3:9: store.url: must be sqlite:///path"]),
    (file(rest="store: {url: 'sqlite:///'}\n"), ["3:9: store.url: must be sqlite:///path"]),
    (file(rest='store: {url: "sqlite:///a\\0"}\n'), ["3:9: store.url: must be sqlite:///path"]),
    (file(rest="store: {url: /var/lib/lbd/state.db}\n"), ["3:9: store.url: must be sqlite:///path"]),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[e[0] for _, e in WRONG])
def test_what_does_not_fit_together_is_an_error_at_its_place(text: str, expected: list[str]) -> None:
    """Found before anything is started, with the word that was meant where one is near."""
    found = problems(text, {"A": "key-a", "B": "key-b", "BAD": "two words"})
    assert len(found) == len(expected), found
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start), problem


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    """Names, URLs, secrets and the daemon's own keys in one list."""
    text = file(
        provider("api_key: {env: X}", url="nowhere", row="tier: gold"),
        provider("headers: {host: x}"),
        rest="listen: 0.0.0.0:80\nworkers: 3\nmodels: {x: y}\nprobes: {kinds: [x, y]}\nstore: {url: x}\n",
    )
    assert [p.split(": ")[1] for p in problems(text)] == [
        "providers[0].base_url",
        "providers[0].deployments[0].tier",
        "providers[0].api_key",
        "providers[1].name",
        "providers[1].deployments[0]",
        "providers[1].headers.host",
        "listen",
        "workers",
        "models.x",
        "probes.kinds[0]",
        "probes.kinds[1]",
        "store.url",
    ]


# --- what is right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rest",
    ["listen: 127.0.0.2:0\n", "listen: '[::1]:8080'\n", "listen: unix:/run/lbd.sock\n", "listen: localhost:80\n",
     "admin: {listen: null}\n", "admin: {listen: unix:/run/a.sock}\n",
     "listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\n",
     "listen: 0.0.0.0:80\nclients: [{name: a, key: {env: A}}]\n",
     "store: {url: 'memory:'}\n", "store: {url: memory}\n", "store: {url: 'sqlite:///s.db'}\n",
     "surfaces: [{name: s, pin: m}]\n",
     "surfaces: [{name: s, pin: a/m, fallback: none}]\n", "probes: {kinds: []}\n", "models: {'gpt-*': m, x: auto}\n",
     "routing_rules: {r: {primary: m}}\nmodels: {x: r}\n", "workers: 1\n", "scorer: {weights: {cost: 0.1}}\n"],
)  # fmt: skip
def test_what_fits_is_neither_wrong_nor_doubtful(rest: str) -> None:
    """The check does not cry wolf."""
    assert warnings(file(rest=rest), {"A": "key"}) == []


def test_an_admin_listener_that_others_reach_without_tls_is_doubtful() -> None:
    """Its token would pass readable; a proxy may be before it, so that it is no error."""
    (told,) = warnings(file(rest="admin: {listen: '0.0.0.0:81', token: {env: A}}\n"), {"A": "key"})
    assert told.startswith("3:9: warning: admin.listen: reachable from other hosts without TLS")
    assert "admin.tls" in told and "proxy" in told


def test_inline_secrets_are_taken_where_that_is_allowed() -> None:
    """In keys, in headers and in a proxy's address."""
    text = file(
        provider("api_key: sk-1, headers: {Authorization: Bearer x}, proxy: 'http://u:p@h:1'"),
        rest="allow_inline_secrets: true\nclients: [{name: c, key: k}]\nadmin: {token: t}\n",
    )
    got = checked(text)
    assert got.admin_token is not None and got.admin_token.reveal() == "t"
    assert got.clients[0].key_sha256 == hashlib.sha256(b"k").digest()


def test_surfaces_and_clients_become_specs() -> None:
    """``class`` is the urgency, ``fallback: none`` no fallback, a client's key is known by its hash only."""
    got = checked(
        file(
            rest="surfaces: [{name: s, class: background, fallback: none, models: {x: m}, pin: m, deadline_s: 5,\n"
            "  after_content: error}]\n"
            "clients:\n"
            "- {name: c, key: {env: A}, surface: s, models: [m], may: [pin, class]}\n"
            "- {name: d, key: {env: B}}\n"
        ),
        {"A": "key-a", "B": "key-b"},
    )
    surface = got.surfaces["s"]
    assert (surface.urgency, surface.fallback, surface.models) == (Urgency.BACKGROUND, False, (("x", "m"),))
    assert surface.after_content is AfterContent.ERROR and SurfaceSpec("x").after_content is AfterContent.SPLICE
    first, second = got.clients
    assert first.key_sha256 == hashlib.sha256(b"key-a").digest()
    assert first.may == {Permission.PIN, Permission.CLASS} and second.may == frozenset(Permission)
    assert "key-a" not in repr(got)


# --- rules -----------------------------------------------------------------------------------------------

GUIDE = """
{"routing_rules": {
   "simple_queries":    {"primary": "gpt-3.5-turbo", "fallback": "claude-haiku", "max_cost_per_1k": 0.002},
   "complex_reasoning": {"primary": "gpt-4", "fallback": "claude-opus", "max_latency_ms": 5000}}}
"""


def resolved(text: str, name: str) -> Target:
    """Return what a name means in a configuration."""
    got = checked(text, environment(text))
    catalogue = names.build(got.deployments, got.tiers, got.rules, got.aliases)
    target = names.resolve(catalogue, name)
    assert isinstance(target, Target), target
    return target


def test_the_routing_guides_rules_load_as_they_stand() -> None:
    """Beside providers that offer its models, character for character; and as the example that is shipped."""
    providers = "".join(
        f'{{"name": "{p}", "shape": "openai", "base_url": "https://{p}.example/v1", "deployments": ['
        + ", ".join(
            f'{{"model": "{m}", "price": {{"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}}}}' for m in models
        )
        + "]}"
        + end
        for p, models, end in (("openai", ("gpt-3.5-turbo", "gpt-4"), ", "), ("x", ("claude-haiku", "claude-opus"), ""))
    )
    text = f'{{"providers": [{providers}],' + GUIDE.strip().removeprefix("{")
    assert warnings(text) == []
    shipped = json.loads((ETC / "routing-guide.json").read_text())
    assert shipped["routing_rules"] == json.loads(GUIDE)["routing_rules"]


def test_the_routing_guides_rules_mean_what_the_guide_says() -> None:
    """The primary first, the fallback next, whatever their tiers; a cost cap and a latency bound with each try."""
    text = (ETC / "routing-guide.json").read_text()
    simple = resolved(text, "simple_queries")
    assert [stage.name for stage in simple.stages] == ["primary", "fallback 1"]
    rows = checked(text, environment(text)).deployments
    assert [[rows[i].model for i in stage.rows] for stage in simple.stages] == [["gpt-3.5-turbo"], ["claude-haiku"]]
    assert (simple.max_cost_per_1k, simple.max_latency_s) == (0.002, None)
    complex_ = resolved(text, "complex_reasoning")
    assert [[rows[i].model for i in stage.rows] for stage in complex_.stages] == [["gpt-4"], ["claude-opus"]]
    assert (complex_.max_cost_per_1k, complex_.max_latency_s) == (None, 5.0)


def test_a_rules_entry_that_nobody_offers_is_worth_a_warning() -> None:
    """The rest of the rule goes on; the warning stands at the entry, with what was meant."""
    text = file(rest="routing_rules:\n  r: {primary: zz, fallback: [x, m]}\n  s: {primary: m, fallback: y}\n")
    assert warnings(text) == [
        "4:7: warning: routing_rules.r.primary: no provider offers 'zz': this entry cannot be used",
        "4:31: warning: routing_rules.r.fallback[0]: no provider offers 'x': this entry cannot be used",
        "5:19: warning: routing_rules.s.fallback: no provider offers 'y': this entry cannot be used",
    ]
    assert checked(text).rules[0].groups == (("m",),)
    near = file(
        provider().replace("model: m", "model: gpt-4.1"), rest="routing_rules: {r: {primary: [gpt-4.1, gpt-41]}}\n"
    )
    assert "(did you mean gpt-4.1?)" in warnings(near)[0]


def test_a_rule_and_a_model_may_share_a_name() -> None:
    """The rule wins, as documented."""
    assert resolved(file(rest="routing_rules: {m: {primary: m}}\n"), "m").key == "rule:m"
