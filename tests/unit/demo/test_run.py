"""The demonstration as a whole, on stand-ins for the model servers: what it starts, shows, breaks and says."""

from __future__ import annotations

import io
import signal
import socket
from pathlib import Path

import pytest
from rich.console import Console

from lbd.demo import load, run
from lbd.demo.load import Load
from lbd.demo.run import NAMES, OUTAGE, Demo
from lbd.demo.servers import ModelServers, ModelSpec
from lbd.demo.traffic import Fate, Judged, Traffic
from lbd.demo.weights import DemoError
from lbd.plugins import read_config
from tests.fakes.xllamacpp import install


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for weights and model servers."""
    monkeypatch.setenv("PYTHONPATH", install(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(run, "fetch", lambda _say: tmp_path / "w")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # a proxy of the environment must not matter
    return tmp_path


def free() -> int:
    """Return a free port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def console() -> tuple[Console, io.StringIO]:
    """Return a console that is no terminal, and what it shows."""
    out = io.StringIO()
    return Console(file=out, width=160, force_terminal=False), out


def servers(folder: Path) -> ModelServers:
    """Return servers that are not started."""
    return ModelServers([ModelSpec(n, port=18000 + i) for i, n in enumerate(NAMES)], folder)


def test_the_configuration_is_good_and_shows_the_features(stand_in: Path) -> None:
    """Three tiers, two rules, no warning."""
    path = stand_in / "lbd.yaml"
    path.write_text(run.config(servers(stand_in), 18080, 18081, stand_in, Load(1.0, 6, 0.8)))
    compiled = read_config(path)
    assert [(d.id, d.tier) for d in compiled.deployments] == [
        ("large/demo-large", "primary"),
        ("medium/demo-medium", "secondary"),
        ("small/demo-small", "tertiary"),
    ]
    assert {r.name for r in compiled.rules} == {"simple_queries", "complex_reasoning"}
    assert [t.ttft_p95_s for t in compiled.tiers] == [3, 6, 20]  # a slow machine is given time
    assert compiled.deadlines.interactive_first_content_s == 45
    assert not compiled.warnings
    assert compiled.config.listen == "127.0.0.1:18080"


def test_a_taken_port_is_no_obstacle() -> None:
    """Another one is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert run._pick_port(port) != port
    assert run._pick_port(port) == port


def test_showing_starts_everything_and_ends_everything(stand_in: Path) -> None:
    """Three servers, lbd before them, the table, the addresses; afterwards nobody listens."""
    shown, out = console()
    api, admin = free(), free()
    assert run.show(shown, api=api, admin=admin, seconds=0.2) == 0
    text = out.getvalue()
    for word in ("large/demo-large", "small/demo-small", "primary", f"http://127.0.0.1:{api}", "curl -s", "PASS"):
        assert word in text, (word, text)
    for port in (api, admin):
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_terminal_is_redrawn(stand_in: Path) -> None:
    """The live table, with the addresses below it."""
    out = io.StringIO()
    shown = Console(file=out, width=160, height=50, force_terminal=True, color_system=None)
    assert run.show(shown, api=free(), admin=free(), seconds=0.7) == 0
    assert out.getvalue().count("large/demo-large") >= 2


def test_an_lbd_that_does_not_start_is_told_with_its_log(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is in its own words; the servers are ended."""
    monkeypatch.setattr(run, "config", lambda *_, **__: "providers: [")
    with pytest.raises(DemoError, match=r"(?s)lbd did not start: .*lbd.yaml:1:"):
        run.show(console()[0], api=0, admin=0, seconds=0)


def test_an_lbd_that_dies_is_told_with_its_log(stand_in: Path) -> None:
    """Not with a traceback of the screen."""
    with (
        run.endable(),
        run.models(lambda _: None) as (models, folder),
        run.started(models, folder, Load(), api=free(), admin=free()) as demo,
    ):
        assert demo.document()["status"] in ("pass", "warn")
        demo.admin = "http://127.0.0.1:1"
        with pytest.raises(DemoError, match=r"(?s)lbd does not answer any more .*listening"):
            demo.document()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_leaves_nothing(stand_in: Path, signum: signal.Signals) -> None:
    """Neither a process nor a folder, and the signals mean again what they meant before."""
    before = signal.getsignal(signum)
    port = free()
    with (
        pytest.raises(SystemExit) as ended,
        run.endable(),
        run.models(lambda _: None) as (models, folder),
        run.started(models, folder, Load(), api=port, admin=free()),
    ):
        pids = [models.pid(name) for name in NAMES]
        signal.raise_signal(signum)
        pytest.fail("it went on")
    assert ended.value.code == 128 + signum
    assert signal.getsignal(signum) is before
    assert not folder.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_second_signal_does_not_disturb_the_end() -> None:
    """A closed terminal sends several, and impatient people too."""
    done = []
    with pytest.raises(SystemExit), run.endable():
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            done.append("everything")
    assert done == ["everything"]


def test_what_nohup_ignores_stays_ignored() -> None:
    """Whoever closes that terminal wants it to go on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with run.endable():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_outage_breaks_servers_and_every_request_survives(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script, in a sixth of its time; the verdict counts and exits with 0."""
    monkeypatch.setattr(run, "OUTAGE", tuple((at / 6, what, name) for at, what, name in OUTAGE))
    monkeypatch.setattr(run, "LENGTH_S", 5.5)
    monkeypatch.setattr(load, "MOST", 10.0)
    shown, out = console()
    assert run.outage(shown, api=free(), admin=free()) == 0
    text = out.getvalue()
    for _, what, name in OUTAGE:
        assert f"{what} {name}" in text
    assert "no request was lost" in text
    assert " requests a second" in text
    assert "answered by: " in text and "small/demo-small" in text


def judged(*fates: Fate) -> Traffic:
    """Return traffic that ended so."""
    traffic = Traffic("http://127.0.0.1:1", "auto", [])
    traffic.judged = [Judged(f, bool(i % 2), 0.0, 0.5 + i, 0.25, "a/m", "why") for i, f in enumerate(fates)]
    return traffic


class Still:
    """A demonstration whose document stands still."""

    def document(self) -> dict[str, object]:
        return {"tiers": [{"deployments": [{"id": "a/m"}, {"id": "b/m"}]}]}


@pytest.mark.parametrize(
    ("fates", "status", "words"),
    [
        ([Fate.OK, Fate.MOVED, Fate.OK], 0, ["3 requests", "no request was lost", "a/m 3", "b/m 0"]),
        ([Fate.OK, Fate.TYPED_ERROR], 0, ["no request was lost", "1  ended by a typed error"]),
        ([Fate.OK, Fate.REFUSED], 1, ["1 requests failed", "failed before the first content: stream, why"]),
        ([Fate.LOST, Fate.REFUSED], 1, ["2 requests failed", "lost or corrupt: unary, why"]),
        ([], 0, ["0 requests"]),
    ],
)
def test_the_verdict_is_in_the_exit_status(fates: list[Fate], status: int, words: list[str]) -> None:
    """0 only if none failed before its first content and none was lost."""
    shown, out = console()
    demo: Demo = Still()  # type: ignore[assignment]
    assert run._verdict(shown, demo, judged(*fates)) == status
    for word in words:
        assert word in out.getvalue(), (word, out.getvalue())


def test_an_answer_whose_headers_went_out_early_is_counted_by_what_it_says() -> None:
    """A stream that waited long has no deployment in its headers."""
    shown, out = console()
    demo: Demo = Still()  # type: ignore[assignment]
    traffic = judged(Fate.OK)
    traffic.judged.append(Judged(Fate.OK, True, 0.0, 20.0, 19.0, None, model="b"))
    run._verdict(shown, demo, traffic)
    assert "answered by: a/m 1, b/m 1" in out.getvalue()


def test_each_act_of_the_outage_is_known() -> None:
    """In order of time, on servers that there are; what is frozen is woken, what is killed comes back."""
    assert [at for at, _, _ in OUTAGE] == sorted(at for at, _, _ in OUTAGE)
    assert {name for _, _, name in OUTAGE} <= set(NAMES)
    acts = [(what, name) for _, what, name in OUTAGE]
    assert acts.index(("thaw", "large")) > acts.index(("freeze", "large"))
    assert acts.index(("restart", "medium")) > acts.index(("kill", "medium"))
    assert OUTAGE[-1][0] < run.LENGTH_S
