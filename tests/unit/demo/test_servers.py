"""Model servers as processes: started, frozen, killed, brought back, and never left behind."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

from lbd.demo import servers as module
from lbd.demo.servers import ModelServers, ModelSpec, free_port
from lbd.demo.weights import DemoError
from tests.fakes.xllamacpp import install


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the stand-in for the real servers; files in it steer them."""
    monkeypatch.setenv("PYTHONPATH", install(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def ended(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie of nobody's concern."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_servers_are_ready_inside_and_gone_after_the_block(stand_in: Path) -> None:
    """Each on a port of its own, with a log of its own."""
    with ModelServers([ModelSpec("a"), ModelSpec("b")], Path("w"), stand_in / "logs") as servers:
        pids = [servers.pid(n) for n in "ab"]
        assert [servers.health(n) for n in "ab"] == [200, 200]
        ports = {servers.specs[n].port for n in "ab"}
        assert len(ports) == 2
        assert servers.base_url("a") == f"http://127.0.0.1:{servers.specs['a'].port}/v1"
        assert sorted(p.name for p in (stand_in / "logs").iterdir()) == ["a.log", "b.log"]
    assert all(ended(pid) for pid in pids)
    assert servers.health("a") == 0


def test_a_killed_server_comes_back_on_its_port(stand_in: Path) -> None:
    """Its address is in the configuration."""
    with ModelServers([ModelSpec("a")], Path("w")) as servers:
        url, pid = servers.base_url("a"), servers.pid("a")
        servers.signal("a", signal.SIGKILL)
        servers.start("a")
        servers.wait_ready("a")
        assert servers.base_url("a") == url
        assert servers.pid("a") != pid
        assert servers.health("a") == 200


def test_a_frozen_server_does_not_answer_until_it_is_woken(stand_in: Path) -> None:
    """And one that is still frozen at the end is ended all the same."""
    with ModelServers([ModelSpec("a"), ModelSpec("b")], Path("w")) as servers:
        servers.signal("a", signal.SIGSTOP)
        assert servers.health("a", timeout_s=0.2) == 0
        servers.signal("a", signal.SIGCONT)
        assert servers.health("a") == 200
        servers.signal("b", signal.SIGSTOP)
        pid = servers.pid("b")
    assert ended(pid)


def test_loading_is_waited_for(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 is not ready; too long is an error that says so."""
    (stand_in / "loading").write_text("")
    monkeypatch.setattr(module, "START_TIMEOUT_S", 1.0)
    with pytest.raises(DemoError, match="a was not ready within 1 s"):
        ModelServers([ModelSpec("a")], Path("w")).__enter__()


def test_a_server_that_ends_while_it_starts_is_told_and_the_others_are_ended(stand_in: Path) -> None:
    """With its exit status; nothing is left running."""
    (stand_in / "broken").write_text("")
    servers = ModelServers([ModelSpec("a"), ModelSpec("b")], Path("w"))
    with pytest.raises(DemoError, match="model server a ended with 3 before it was ready"):
        servers.__enter__()
    assert all(ended(servers.pid(n)) for n in "ab")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(DemoError, match=r"pip install 'lbd\[demo\]'"):
        ModelServers([ModelSpec("a")], Path("w"))


def test_a_free_port_is_free() -> None:
    """It can be bound at once."""
    port = free_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
    assert port > 1024
