"""The daemon as a service: readiness, socket activation, watchdog, reload, drain, crash; before scripted providers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.load import Load, body, streamed
from tests.fakes.service_manager import ROOT, Service, Unix, api_socket, readable
from tests.fakes.stub_provider import StubProvider, text

TIMEOUT = 15.0


def config(providers: dict[str, StubProvider], **more: Any) -> dict[str, Any]:
    """Return a configuration with both providers in one tier."""
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
    return {"providers": [p.config(deployment={"price": price}) for p in providers.values()], **more}


@contextlib.contextmanager
def service(folder: Path, configured: dict[str, Any], *, passed: bool = True, **more: Any) -> Iterator[Service]:
    """A running service; what it logged must be free of tracebacks."""
    sockets = {"api": api_socket()} if passed else {}
    with Service(folder, configured, sockets=sockets, **more) as running:
        running.start()
        yield running
        if running.process is not None and running.process.poll() is None:
            assert running.stop() == 0
        assert "Traceback" not in running.log(), running.log()[-5000:]


def ask(address: tuple[str, int], **more: Any) -> tuple[int, bytes]:
    """Make one request on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    try:
        connection.request("POST", "/v1/chat/completions", body(**more), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Later(threading.Thread):
    """One request that takes a while; ``result`` waits for it."""

    def __init__(self, address: tuple[str, int], **more: Any) -> None:
        super().__init__(daemon=True)
        self._args = (address, more)
        self._result: tuple[int, bytes] | BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = ask(self._args[0], **self._args[1])
        except Exception as e:
            self._result = e

    def result(self, timeout: float = TIMEOUT) -> tuple[int, bytes]:
        self.join(timeout)
        assert not self.is_alive(), "no answer"
        if isinstance(self._result, BaseException):
            raise self._result
        assert self._result is not None
        return self._result


def under_way(running: Service, count: int) -> None:
    """Wait until so many requests are under way."""
    end = time.perf_counter() + TIMEOUT
    while sum(row["inflight"] for row in running.rows().values()) != count:
        assert time.perf_counter() < end, running.rows()
        time.sleep(0.02)


# --- readiness and status --------------------------------------------------------------------------------


def test_readiness_is_told_once_requests_are_served(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """READY=1 with a status, from the main process; from then on a request is answered."""
    with service(tmp_path, config(providers), passed=False) as running:
        ready = running.said("READY")
        assert len(ready) == 1 and ready[0].pid == running.pid
        assert ready[0].fields["STATUS"] == "2/2 deployments serve, 0 requests under way"
        assert ask(running.listening())[0] == 200
        assert running.ask("/readyz") == (200, "ready\n")
        assert not running.said("WATCHDOG"), "nobody asked for pings"


def test_the_sequence_of_a_life(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """READY; RELOADING with its time in the same datagram, READY again; STOPPING with the time it may take."""
    configured = config(providers, limits={"drain_timeout_s": 7})
    with service(tmp_path, configured) as running:
        at = running.send(signal.SIGHUP)
        reloading = running.wait(lambda d: d.fields.get("RELOADING") == "1", since=at)
        usec = int(reloading.fields["MONOTONIC_USEC"])
        assert at * 1e6 <= usec <= reloading.at * 1e6
        running.wait(lambda d: d.fields.get("READY") == "1", since=reloading.at)
        at = running.send(signal.SIGTERM)
        stopping = running.wait(lambda d: d.fields.get("STOPPING") == "1", since=at)
        assert int(stopping.fields["EXTEND_TIMEOUT_USEC"]) >= 7_000_000
        assert running.ended() == 0
        keys = [
            next(k for k in d.fields if k in ("READY", "RELOADING", "STOPPING"))
            for d in running.datagrams
            if {"READY", "RELOADING", "STOPPING"} & d.fields.keys()
        ]
        assert keys == ["READY", "RELOADING", "READY", "STOPPING"]


def test_a_service_that_cannot_listen_says_so_in_one_line(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """Exit status 1, one sentence, no traceback, never READY; and the state of whoever listens is not touched."""
    with api_socket() as taken, Service(tmp_path, config(providers)) as running:
        running.write(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        running.spawn()
        assert running.ended() == 1
        lines = running.log().splitlines()
        assert lines == [f"lbd: cannot listen on 127.0.0.1:{taken.getsockname()[1]}: Address already in use"]
        assert not running.said("READY")
        assert not (tmp_path / "state.db").exists()


def test_a_bad_configuration_is_told_with_its_place_and_exit_status_1(
    tmp_path: Path, providers: dict[str, StubProvider]
) -> None:
    """file:line, and nothing is started."""
    with Service(tmp_path, config(providers)) as running:
        running.write(tiers=[{"name": "primary", "ttft_p95_s": "fast"}])
        running.spawn()
        assert running.ended() == 1
        assert f"{running.path}:" in running.log() and "Traceback" not in running.log()
        assert not running.said("READY")


def test_unix_sockets_serve_too(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """The API on unix:/path, mode 0660."""
    path = tmp_path / "api.sock"
    with service(tmp_path, config(providers, listen=f"unix:{path}"), passed=False) as running:
        assert path.stat().st_mode & 0o777 == 0o660 == running.admin.stat().st_mode & 0o777
        connection = Unix(path)
        for stream in (False, True):
            headers = {"content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body(stream=stream), headers)
            response = connection.getresponse()
            assert (response.status, b"w0" in response.read()) == (200, True)
        connection.close()


# --- socket activation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True], ids=["new connections", "kept connections"])
def test_restarts_under_load_refuse_no_connection(
    tmp_path: Path, providers: dict[str, StubProvider], keep: bool
) -> None:
    """The socket stays with the service manager: while no process listens connections wait, and none is lost."""
    with service(tmp_path, config(providers)) as running:
        with Load(running.listening(), workers=6, keep=keep) as load:
            for _ in range(4):
                time.sleep(0.7)
                assert running.stop() == 0
                running.start()
            time.sleep(0.3)
        assert not load.failed, load.failed
        assert load.fates["ok"] > 100


def test_passed_sockets_are_known_by_name(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """api and admin; what the configuration says of addresses is left alone."""
    admin = socket.socket(socket.AF_UNIX)
    admin.bind(str(tmp_path / "passed.sock"))
    admin.listen()
    sockets = {"admin": admin, "api": api_socket()}
    with Service(tmp_path, config(providers), sockets=sockets) as running:
        running.admin = tmp_path / "passed.sock"
        running.start()
        assert running.started()["admin"] == [f"unix:{tmp_path}/passed.sock"]
        assert running.ask("/livez")[0] == 200
        assert ask(sockets["api"].getsockname())[0] == 200
        assert not (tmp_path / "admin.sock").exists()
        assert running.stop() == 0


# --- reload ----------------------------------------------------------------------------------------------


def test_a_good_reload_takes_all_and_forgets_nothing(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """By SIGHUP and by lbd ctl: what is new serves, what is gone is gone, what is unchanged keeps its history."""
    only_a = {"a": providers["a"]}
    with service(tmp_path, config(only_a)) as running:
        for _ in range(30):
            assert ask(running.listening(), stream=True)[0] == 200
        before = running.rows()["a/m"]
        assert before["ttft_s"]["5m"]["n"] == 30
        running.write(**config(providers, models={"other": "m"}))
        at = running.send(signal.SIGHUP)
        reloading = running.wait(lambda d: "RELOADING" in d.fields, since=at)
        running.wait(lambda d: "READY" in d.fields, since=reloading.at)
        rows = running.rows()
        assert set(rows) == {"a/m", "b/m"}
        assert rows["a/m"]["ttft_s"] == before["ttft_s"]
        assert rows["a/m"]["state_since"] == before["state_since"]
        assert ask(running.listening(), model="other")[0] == 200
        running.write(**config({"b": providers["b"]}))
        done = running.ctl("reload")
        assert done.returncode == 0, done.stderr
        assert "generation 3" in done.stdout and "a/m" in done.stdout
        assert set(running.rows()) == {"b/m"}
        assert running.metric("lbd_config_last_reload_success") == 1


BROKEN = {
    "no YAML": ("providers: [", ":1:"),
    "unknown key": ("providers: []\nlisten: 127.0.0.1:1\nprovidres: []\n", ":3:"),
    "not in a reload": (None, "listen"),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_bad_reload_changes_nothing_and_says_so_everywhere(
    tmp_path: Path, providers: dict[str, StubProvider], why: str
) -> None:
    """The old configuration goes on; lbd ctl exits with non-zero and file:line; metrics, health and event tell."""
    broken, place = BROKEN[why]
    with service(tmp_path, config(providers)) as running:
        before = running.ask("/v1/config")[1]
        if broken is None:
            running.write(listen="127.0.0.1:9", providers=[providers["a"].config()])
        else:
            running.write_text(broken)
        for how in ("SIGHUP", "ctl"):
            if how == "SIGHUP":
                at = running.send(signal.SIGHUP)
                reloading = running.wait(lambda d: "RELOADING" in d.fields, since=at)
                running.wait(lambda d: "READY" in d.fields, since=reloading.at)
            else:
                done = running.ctl("reload")
                assert done.returncode != 0
                assert f"{running.path}" in done.stderr and place in done.stderr, done.stderr
            after = running.ask("/v1/config")[1]
            assert (after["generation"], after["hash"]) == (before["generation"], before["hash"])
            assert after["last_reload_ok"] is False and str(running.path) in after["last_error"]
        time.sleep(1.1)  # the metrics page is drawn once a second
        assert running.metric("lbd_config_last_reload_success") == 0
        assert running.metric('lbd_config_reloads_total{outcome="refused"}') == 2
        status, health = running.ask("/health")
        assert (status, health["status"]) == (200, "warn")
        assert any("reload" in note for note in health["notes"])
        assert len(running.events("config_rejected")) == 2
        assert set(running.rows()) == {"a/m", "b/m"}
        assert ask(running.listening())[0] == 200
        running.write(**config(providers), listen="127.0.0.1:1")
        assert running.ctl("reload").returncode == 0
        assert running.ask("/health")[1]["status"] == "pass"


# --- drain -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_running_answers_finish_and_new_connections_wait(
    tmp_path: Path, providers: dict[str, StubProvider], signum: signal.Signals
) -> None:
    """Streams and unary answers end as if nothing were; whoever comes meanwhile is served by the next process."""
    with service(tmp_path, config(providers)) as running:
        address = running.listening()
        slow = "first=0.3 gap=0.15 tokens=8"
        asked = [Later(address, stream=bool(i % 2), user=slow) for i in range(4)]
        under_way(running, 4)
        at = running.send(signum)
        running.wait(lambda d: "STOPPING" in d.fields, since=at)
        assert running.ask("/readyz")[0] == 503
        late = [Later(address, stream=bool(i % 2)) for i in range(4)]
        for i, later in enumerate(asked):
            status, raw = later.result()
            assert status == 200
            if i % 2:
                assert streamed(raw) == (text(8), None, True)
            else:
                assert json.loads(raw)["choices"][0]["message"]["content"] == text(8)
        assert running.ended() == 0
        assert all(later.is_alive() for later in late), "refused, instead of waiting for the next process"
        running.start()
        assert [later.result()[0] for later in late] == [200] * 4


def test_kept_connections_lose_no_request_at_a_restart(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """Clients that ask on and on are told that an answer is the last of its connection; it is not closed under them."""
    with service(tmp_path, config(providers)) as running:
        with Load(running.listening(), workers=8, keep=True, pause_s=0) as load:
            for _ in range(2):
                asked = load.fates.total()
                while load.fates.total() < asked + 100:
                    time.sleep(0.01)
                running.send(signal.SIGTERM)
                assert running.ended() == 0
                running.start()
        assert not load.failed and not load.asked_again


def test_what_outlives_the_drain_ends_in_a_typed_error(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """After drain_timeout_s: an error event in the stream, 503 where nothing was sent; no fake end, exit status 0."""
    with service(tmp_path, config(providers, limits={"drain_timeout_s": 1})) as running:
        address = running.listening()
        stream = Later(address, stream=True, user="gap=0.2 tokens=200")
        silent = Later(address, stream=True, user="hang=1")
        unary = Later(address, user="first=30")
        under_way(running, 3)
        time.sleep(0.5)
        at = running.send(signal.SIGTERM)
        status, raw = stream.result()
        took = time.perf_counter() - at
        words, error, done = streamed(raw)
        assert status == 200 and 0.9 <= took <= 2.5
        assert error is not None and error["code"] == "draining"
        assert words and text(200).startswith(words) and not done
        for refused in (silent, unary):
            status, raw = refused.result()
            assert status == 503
            assert json.loads(raw)["error"]["code"] == "draining"
        assert running.ended(5) == 0
        assert time.perf_counter() - at < 1 + 5


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hurries(tmp_path: Path, providers: dict[str, StubProvider], second: signal.Signals) -> None:
    """Whoever asks twice does not want to wait: the same typed error, at once."""
    with service(tmp_path, config(providers, limits={"drain_timeout_s": 60})) as running:
        stream = Later(running.listening(), stream=True, user="gap=0.2 tokens=200")
        under_way(running, 1)
        at = running.send(signal.SIGTERM)
        running.wait(lambda d: "STOPPING" in d.fields, since=at)
        time.sleep(0.5)
        assert stream.is_alive()
        at = running.send(second)
        _, error, done = streamed(stream.result()[1])
        assert error is not None and error["code"] == "draining" and not done
        assert running.ended(5) == 0
        assert time.perf_counter() - at < 3


def test_idle_connections_and_followers_hold_nobody_up(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """A kept API connection, one that says nothing, half a request, and a follower of events: gone in a moment."""
    with service(tmp_path, config(providers)) as running:
        address = running.listening()
        kept = http.client.HTTPConnection(*address, timeout=TIMEOUT)
        kept.request("POST", "/v1/chat/completions", body(), {"content-type": "application/json"})
        kept.getresponse().read()
        follower = Unix(running.admin)
        follower.request("GET", "/v1/events?follow=1")
        told = follower.getresponse()
        with socket.create_connection(address) as silent, socket.create_connection(address) as half:
            half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-le")
            time.sleep(0.2)
            at = running.send(signal.SIGTERM)
            assert running.ended(10) == 0
            assert time.perf_counter() - at < 3, "somebody idle was waited for"
            assert readable(silent, 1) and readable(half, 1)
        assert told.status == 200
        told.close()
        follower.close()
        kept.close()


def test_a_reader_of_the_log_that_is_stuck_stops_nothing(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """A full pipe on stderr: requests are served, reloads work, and it ends when it is told to."""
    with Service(tmp_path, config(providers, log={"requests": "all"}), sockets={"api": api_socket()}) as running:
        ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(theirs, b"x" * 65536)
        os.set_blocking(theirs, True)
        env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "PYTHONPATH": str(ROOT)}
        began = time.perf_counter()
        running.sockets.pop("api").close()
        running.process = subprocess.Popen(
            [sys.executable, "-m", "lbd", "run", "-c", str(running.path)], stderr=theirs, env=env
        )
        os.close(theirs)
        running.write(listen="127.0.0.1:0")
        running.wait(lambda d: "READY" in d.fields, since=began)
        for _ in range(20):
            assert running.ask("/v1/providers")[0] == 200
        at = running.send(signal.SIGTERM)
        assert running.ended(10) == 0
        assert time.perf_counter() - at < 6
        os.close(ours)


# --- crash -----------------------------------------------------------------------------------------------


def test_a_killed_daemon_comes_back_with_what_it_knew(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """kill -9: percentiles, breaker, cooldown and orders are there again; the file is whole."""
    other = StubProvider("c")  # a third name for the second process
    other.port = providers["b"].port
    rows = [providers["a"].config(), providers["b"].config(model="mb"), other.config(model="mc")]
    configured = {"providers": rows, "probes": {"every_s": 600, "kinds": ["liveness"]}}
    with service(tmp_path, configured) as running:
        address = running.listening()
        for i in range(40):
            for model in ("m", "mb"):
                assert ask(address, model=model, stream=bool(i % 2), user="first=0.01")[0] == 200
        assert ask(address, model="mc", user="status=429 after=120")[0] == 429
        for _ in range(3):
            assert ask(address, model="mb", user="status=500")[0] in (502, 503)
        assert running.rows()["b/mb"]["breaker"]["state"] == "open"
        assert running.ctl("weight", "a/m", "0.5", "--reason", "test").returncode == 0
        time.sleep(5.5)  # state is saved every five seconds
        before = running.rows()
        running.send(signal.SIGKILL)
        assert running.ended() == -signal.SIGKILL
        with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        running.start()
        after = running.rows()
        assert running.started()["restored"] == 3
        for row in ("a/m", "b/mb"):
            for figure in ("ttft_s", "latency_s"):
                one, two = before[row][figure]["1h"], after[row][figure]["1h"]
                assert one["n"] == two["n"] > 0, (row, figure)
                assert (one["p50"], one["p95"], one["p99"]) == (two["p50"], two["p95"], two["p99"])
            assert after[row]["errors"]["n"] == before[row]["errors"]["n"]
        breaker = after["b/mb"]["breaker"]
        assert (breaker["state"], breaker["cause"]) == ("open", "server_error")
        assert _seconds(breaker["retry_at"]) == pytest.approx(_seconds(before["b/mb"]["breaker"]["retry_at"]), abs=1.0)
        assert after["a/m"]["admin"]["weight"] == 0.5
        assert ask(address, model="mc")[0] == 429, "the cooldown was forgotten"
        assert ask(address)[0] == 200


def _seconds(time_: str) -> float:
    return datetime.fromisoformat(time_).timestamp()


def test_killed_again_and_again_under_load_the_state_stays_usable(
    tmp_path: Path, providers: dict[str, StubProvider]
) -> None:
    """Whenever it dies: it starts, and restores its rows."""
    with service(tmp_path, config(providers)) as running:
        for after in (5.5, 4.98, 5.02):  # state is saved every five seconds
            with Load(running.listening(), workers=2, pause_s=0.0):
                time.sleep(after)
                running.send(signal.SIGKILL)
                running.ended()
                running.start()
            assert running.started()["restored"] == 2
        assert not running.events("store_down")
        assert not list(tmp_path.glob("*.damaged"))
