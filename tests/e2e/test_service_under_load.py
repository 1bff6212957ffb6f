"""The daemon as a service under a load: that it is fast enough is part of the claim, so nothing runs beside it."""

from __future__ import annotations

import itertools
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.test_service import config, service
from tests.fakes.load import Load
from tests.fakes.service_manager import Unix
from tests.fakes.stub_provider import StubProvider


def test_a_living_daemon_pings_in_time_and_a_frozen_one_does_not(
    tmp_path: Path, providers: dict[str, StubProvider]
) -> None:
    """At least twice a period, under load too; SIGSTOP is noticed, and SIGCONT makes it ping again."""
    with service(tmp_path, config(providers), watchdog_s=1.2) as running:
        with Load(running.listening(), workers=2):
            time.sleep(2.5)
            pings = [d.at for d in running.said("WATCHDOG")]
            assert len(pings) >= 4
            assert max(b - a for a, b in itertools.pairwise(pings)) < 0.9
            at = running.send(signal.SIGSTOP)
            time.sleep(1.5)
            assert not [d for d in running.said("WATCHDOG") if d.at > at + 0.1]
            at = running.send(signal.SIGCONT)
        running.wait(lambda d: "WATCHDOG" in d.fields, since=at, timeout=3)


def test_a_thousand_reloads_under_load_fail_no_request(tmp_path: Path, providers: dict[str, StubProvider]) -> None:
    """Alternating between two configurations, with requests on new and on kept connections all the while."""
    one, two = config(providers), config({"a": providers["a"]}, surfaces=[{"name": "support"}])
    with service(tmp_path, one) as running:
        admin = Unix(running.admin)
        began = time.perf_counter()
        with (
            Load(running.listening(), workers=2, pause_s=0.02) as fresh,
            Load(running.listening(), workers=2, pause_s=0.02, keep=True) as kept,
        ):
            for i in range(1000):
                running.write(**(two, one)[i % 2], **({"surfaces": []} if i % 2 else {}))
                admin.request("POST", "/v1/config/reload")
                response = admin.getresponse()
                assert (response.status, bool(response.read())) == (200, True)
        took = time.perf_counter() - began
        admin.close()
        assert not fresh.failed and not kept.failed, (fresh.failed, kept.failed)
        assert fresh.fates["ok"] + kept.fates["ok"] > 200
        assert running.ask("/v1/config")[1]["generation"] == 1001
        assert took < 60, took
        n = running.rows()["a/m"]["latency_s"]["5m"]["n"]
        assert n > 50, "the unchanged row forgot its history"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_provider_that_dies_under_200_requests_a_second_costs_no_client_an_answer(
    tmp_path: Path, providers: dict[str, StubProvider], how: signal.Signals
) -> None:
    """Every request ends with the right text, whole; the dead one is left, and used again when it is back."""
    with StubProvider("c") as third:
        three = {**providers, "c": third}
        for stub in three.values():
            stub.say("first=0.02")
        with service(tmp_path, config(three)) as running, Load(running.listening(), workers=12, pause_s=0.02) as load:
            time.sleep(2)
            assert third.process is not None
            before = third.seen()
            began, answered = time.perf_counter(), sum(load.fates.values())
            third.process.send_signal(how)
            time.sleep(3)
            assert running.rows()["c/m"]["state"] != "up"
            rate = (sum(load.fates.values()) - answered) / (time.perf_counter() - began)
            if how is signal.SIGKILL:
                third.stop()
                third.start()
            else:
                third.process.send_signal(signal.SIGCONT)
            end = time.perf_counter() + 30
            while third.seen()["completions"] <= (0 if how is signal.SIGKILL else before["completions"] + 20):
                assert time.perf_counter() < end, (third.seen(), running.rows()["c/m"])
                time.sleep(0.1)
        assert not load.failed, load.failed
        assert rate > 150, "the others carried the traffic"
