"""Sockets: passed by the service manager, or bound here, or one clear sentence why not."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbd.daemon import listen
from lbd.daemon.listen import ListenError


@contextlib.contextmanager
def bound(text: str, **more: int) -> Iterator[list[socket.socket]]:
    """Bind and close."""
    socks = listen.bind(text, **more)
    try:
        yield socks
    finally:
        for sock in socks:
            sock.close()


def reached(sock: socket.socket) -> bool:
    """Tell whether a connection can be made to a listening socket."""
    with socket.socket(sock.family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        return client.connect_ex(sock.getsockname()) == 0


# --- bound here ------------------------------------------------------------------------------------------


def test_a_tcp_address_is_listened_on() -> None:
    """Non-blocking, restartable at once, described as it is written."""
    with bound("127.0.0.1:0") as (sock,):
        port = sock.getsockname()[1]
        assert port and reached(sock)
        assert sock.getblocking() is False
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not os.get_inheritable(sock.fileno())
        assert listen.describe(sock) == f"127.0.0.1:{port}"
    with bound(f"127.0.0.1:{port}"):
        pass


def test_ipv6_is_its_own_address() -> None:
    """[::1] is listened on apart from 127.0.0.1, on the same port."""
    with bound("[::1]:0") as (six,):
        port = six.getsockname()[1]
        assert reached(six)
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        assert listen.describe(six) == f"[::1]:{port}"
        with bound(f"127.0.0.1:{port}") as (four,):
            assert reached(four)


@pytest.mark.parametrize("host", ["localhost", ""])
def test_a_name_with_several_addresses_gets_them_all_on_one_port(host: str) -> None:
    """Port 0: whatever the first was given."""
    with bound(f"{host}:0") as socks:
        assert len({sock.getsockname()[1] for sock in socks}) == 1
        assert len({sock.family for sock in socks}) == len(socks) >= 1


@pytest.mark.parametrize("text", ["127.0.0.1", "[::1]"])
def test_a_taken_port_is_one_clear_sentence(text: str) -> None:
    """The address and the reason; no traceback of ours."""
    with bound(f"{text}:0") as (sock,):
        where = f"{text}:{sock.getsockname()[1]}"
        with pytest.raises(ListenError) as raised:
            listen.bind(where)
    assert str(raised.value) == f"cannot listen on {where}: Address already in use"
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_a_port_taken_on_one_family_leaves_nothing_bound_on_the_other() -> None:
    """All or nothing."""
    with bound("[::1]:0") as (six,):
        port = six.getsockname()[1]
        with pytest.raises(ListenError, match="in use"):
            listen.bind(f":{port}")
        with bound(f"0.0.0.0:{port}"):
            pass


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("192.0.2.1:8080", "Cannot assign requested address"),
        ("no-such-host.invalid:8080", "not known|failure in name resolution|No address"),
    ],
)
def test_an_address_that_is_not_here_is_one_clear_sentence(text: str, why: str) -> None:
    """Not of this host, or of no host."""
    with pytest.raises(ListenError, match=f"^cannot listen on {text}: .*({why})"):
        listen.bind(text)


# --- unix sockets ----------------------------------------------------------------------------------------


def test_a_unix_socket_is_for_user_and_group(tmp_path: Path) -> None:
    """Mode 0660 from the first moment, folders made, described with its scheme; the umask is as before."""
    before = os.umask(0o022)
    os.umask(before)
    path = tmp_path / "run" / "lbd" / "admin.sock"
    with bound(f"unix:{path}") as (sock,):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert reached(sock)
        assert listen.describe(sock) == f"unix:{path}"
    with bound(f"unix:{path}", mode=0o600):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    after = os.umask(before)
    assert after == before


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """A killed daemon leaves its file behind."""
    path = tmp_path / "s"
    with bound(f"unix:{path}"):
        pass
    assert path.exists()
    with bound(f"unix:{path}") as (sock,):
        assert reached(sock)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.parametrize("backlog", [8, 0])
def test_a_live_unix_socket_is_refused(tmp_path: Path, backlog: int) -> None:
    """Another process' socket is not taken away from it, not even while its queue is full."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other, contextlib.ExitStack() as stack:
        other.bind(str(path))
        other.listen(backlog)
        if not backlog:  # nobody accepts: fill the queue
            for _ in range(3):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect_ex(str(path))
        with pytest.raises(ListenError) as raised:
            listen.bind(f"unix:{path}")
        assert str(raised.value) == f"cannot listen on unix:{path}: another process listens on {path}"
        assert path.exists()


@pytest.mark.parametrize("what", ["file", "folder", "datagram"])
def test_something_else_at_the_path_is_left_alone(tmp_path: Path, what: str) -> None:
    """A file of the user is not deleted because its name was given for a socket."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        if what == "file":
            path.write_text("precious")
        elif what == "folder":
            path.mkdir()
        else:
            other.bind(str(path))
        with pytest.raises(ListenError, match=r"^cannot listen on unix:"):
            listen.bind(f"unix:{path}")
        assert path.exists()
    if what == "file":
        assert path.read_text() == "precious"


def test_a_path_that_cannot_be_is_one_clear_sentence(tmp_path: Path) -> None:
    """Too long for the kernel, or below a file."""
    with pytest.raises(ListenError, match=r"^cannot listen on unix:.*too long"):
        listen.bind(f"unix:{tmp_path}/{'x' * 200}")
    (tmp_path / "file").write_text("")
    with pytest.raises(ListenError, match=r"^cannot listen on unix:"):
        listen.bind(f"unix:{tmp_path}/file/s")


# --- passed ----------------------------------------------------------------------------------------------

_CHILD = """
import os, socket, sys
from lbd.daemon import listen
os.environ["LISTEN_PID"] = os.environ.get("FORCE_PID", str(os.getpid()))
got = listen.passed()
print({name: [listen.describe(s) for s in socks] for name, socks in sorted(got.items())})
print([os.get_inheritable(s.fileno()) for socks in got.values() for s in socks])
print([s.getblocking() for socks in got.values() for s in socks])
print([k for k in os.environ if k.startswith("LISTEN_")])
"""


def start(fds: list[int], **environ: str) -> list[str]:
    """Return what a process finds that is started with these descriptors from 3 on."""

    def place() -> None:
        spare = [os.dup(fd) for fd in fds]
        for i, fd in enumerate(spare):
            os.dup2(fd, 3 + i)
            os.set_inheritable(3 + i, True)

    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "LISTEN_FDS": str(len(fds)), **environ},
        preexec_fn=place,
        close_fds=False,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout or done.stderr).splitlines()


def test_passed_sockets_are_known_by_their_names(tmp_path: Path) -> None:
    """FileDescriptorName=api and admin; neither is inherited further, and the variables are gone."""
    with bound("127.0.0.1:0") as (api,), bound(f"unix:{tmp_path}/a") as (admin,), bound("[::1]:0") as (six,):
        told = start([s.fileno() for s in (api, admin, six)], LISTEN_FDNAMES="api:admin:api")
        names = {"admin": [f"unix:{tmp_path}/a"], "api": [listen.describe(api), listen.describe(six)]}
        assert told == [str(names), "[False, False, False]", "[False, False, False]", "[]"]


@pytest.mark.parametrize("names", ["", "unknown", "lbd.socket", "connection"])
def test_a_socket_without_a_known_name_is_the_apis(names: str) -> None:
    """A unit without FileDescriptorName= works."""
    with bound("127.0.0.1:0") as (api,):
        told = start([api.fileno()], LISTEN_FDNAMES=names)
        assert told[0] == str({"api": [listen.describe(api)]})


def test_sockets_for_another_process_are_not_taken() -> None:
    """LISTEN_PID names whom they are for; the variables are taken out all the same."""
    with bound("127.0.0.1:0") as (api,):
        told = start([api.fileno()], LISTEN_FDNAMES="api", FORCE_PID="1")
        assert told == ["{}", "[]", "[]", "[]"]


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid())}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}],
)
def test_without_the_protocol_nothing_is_passed(environ: dict[str, str]) -> None:
    """Half of the variables is none."""
    left = dict(environ)
    assert listen.passed(left) == {}
    assert left == {}


@pytest.mark.parametrize("what", ["closed", "file", "datagram", "bound only"])
def test_a_descriptor_that_is_no_listening_socket_is_one_clear_sentence(tmp_path: Path, what: str) -> None:
    """The number, and who said so."""
    with (
        (tmp_path / "file").open("w") as file,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
        socket.socket() as stream,
    ):
        fds = {"closed": [], "file": [file.fileno()], "datagram": [datagram.fileno()], "bound only": [stream.fileno()]}
        told = start(fds[what], LISTEN_FDS="9" if what == "closed" else "1")
    assert re.search(r"ListenError: descriptor \d+, passed by LISTEN_FDS, is no listening socket", told[-1]), told


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, None),
        ({"RUNTIME_DIRECTORY": ""}, None),
        ({"RUNTIME_DIRECTORY": "/run/lbd"}, "/run/lbd/admin.sock"),
        ({"RUNTIME_DIRECTORY": "/run/lbd:/run/more"}, "/run/lbd/admin.sock"),
    ],
)
def test_the_usual_socket_is_in_the_runtime_directory(environ: dict[str, str], path: str | None) -> None:
    """systemd.exec(5): several are separated by colons."""
    assert listen.usual_socket(environ) == path


def test_what_other_hosts_reach_is_told_by_the_sockets(tmp_path: Path) -> None:
    """Whatever a file says: a socket may have been passed."""
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        everywhere = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "s"))
        assert listen.beyond([here, unix]) == []
        assert listen.beyond([here, everywhere]) == [f"0.0.0.0:{everywhere.getsockname()[1]}"]
