"""Asking the admin API."""

from __future__ import annotations

import argparse
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbd.cli import admin_client
from lbd.cli.admin_address import REFUSED, UNREACHABLE, AdminError, Where, parse
from lbd.cli.admin_client import Client
from lbd.display import paint
from tests.fakes.console_server import free_port, problem, serving


def test_a_document_comes_over_tcp_with_the_token_and_the_query() -> None:
    """What has no value is left out of the query."""
    with serving({"GET /v1/events": {"events": []}}) as console:
        client = Client(parse(console.url, "--admin"), "t0ken")
        assert client.get("/v1/events", limit=3, subject=None) == {"events": []}
    assert console.asked[0].query == {"limit": "3"}
    assert console.asked[0].headers["authorization"] == "Bearer t0ken"


def test_over_a_unix_socket_no_token_is_sent(tmp_path: Path) -> None:
    """The daemon knows who asks."""
    with serving({"GET /x": {"a": 1}}, path=tmp_path / "s") as console:
        assert Client(Where(path=str(tmp_path / "s")), "t0ken").get("/x") == {"a": 1}
    assert "authorization" not in console.asked[0].headers


def test_an_order_is_a_post_of_json() -> None:
    """The API demands the content type."""
    with serving({"POST /v1/deployments/a/b/drain": {"ok": True}}) as console:
        assert Client(parse(console.url, "x")).order("drain", "a/b", reason="why not") == {"ok": True}
    assert console.asked[0].json == {"reason": "why not"}
    assert console.asked[0].headers["content-type"] == "application/json"


def test_a_post_without_a_body_names_no_content_type() -> None:
    """Nothing is said of nothing."""
    with serving({"POST /x": {}}) as console:
        Client(parse(console.url, "x")).post("/x", headers={"x-lbd-class": "background"})
    assert "content-type" not in console.asked[0].headers
    assert console.asked[0].headers["x-lbd-class"] == "background"


def failure(client: Client, path: str = "/x") -> AdminError:
    with pytest.raises(AdminError) as caught:
        client.get(path, timeout_s=0.3)
    return caught.value


def test_a_daemon_that_does_not_run_is_told_with_the_remedy(tmp_path: Path) -> None:
    """Exit status 3, whatever way it cannot be reached."""
    refused = failure(Client(parse(f"127.0.0.1:{free_port()}", "the default")))
    assert refused.exit_status == UNREACHABLE
    assert "(the default): connection refused" in str(refused)
    assert "systemctl status lbd" in str(refused)
    missing = failure(Client(Where(path=str(tmp_path / "none"))))
    assert missing.exit_status == UNREACHABLE
    assert "there is no such socket" in str(missing)


def test_a_socket_file_that_a_dead_daemon_left_is_told_as_not_running(tmp_path: Path) -> None:
    """The file alone does not answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
    error = failure(Client(Where(path=str(tmp_path / "s"))))
    assert error.exit_status == UNREACHABLE
    assert "connection refused" in str(error)


def test_a_host_that_does_not_exist_is_told() -> None:
    """A typing mistake, mostly."""
    error = failure(Client(Where("no-such-host.invalid", 1)))
    assert error.exit_status == UNREACHABLE


def test_a_socket_that_one_may_not_use_is_told_with_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1: the daemon may well run. Tests may run as root, who may everything; so the refusal is acted."""
    client = Client(Where(path="/run/lbd/admin.sock", named_by="/etc/lbd/lbd.yaml"))

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(AdminError, match=r"admin.sock \(/etc/lbd/lbd.yaml\): .*group.*sudo") as caught:
        client._guarded(refuse)
    assert caught.value.exit_status == REFUSED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect to everything")
def test_the_mode_of_the_socket_is_what_refuses(tmp_path: Path) -> None:
    """The same with a real socket."""
    with serving({}, path=tmp_path / "s"):
        (tmp_path / "s").chmod(0)
        assert failure(Client(Where(path=str(tmp_path / "s")))).exit_status == REFUSED


def raw_server(answer: bytes | None) -> Iterator[int]:
    """Accept one connection; answer these bytes and close, or with None keep silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                if answer is None:
                    ended.wait(5)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no answer in time"),
        (b"", "closed without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "closed without an answer that is whole"),
    ],
)
def test_what_answers_otherwise_or_not_at_all_is_told_as_unreachable(answer: bytes | None, why: str) -> None:
    """A hanging daemon is as good as none."""
    for port in raw_server(answer):
        error = failure(Client(parse(f"127.0.0.1:{port}", "--admin")))
        assert (error.exit_status, why in str(error)) == (UNREACHABLE, True), str(error)


@pytest.mark.parametrize(
    ("status", "document", "token", "told"),
    [
        (401, problem(401, "send the admin token"), None, "an admin token is needed: give --token-file"),
        (401, problem(401, "send the admin token"), "wrong", "an admin token was not accepted"),
        (403, problem(403, "changes need the unix socket (admin.socket), or a token"), None, "--admin unix:/path"),
        (403, problem(403, "Host 'x' is not known here; add it to allowed_hosts"), None, "add it to allowed_hosts"),
        (404, problem(404, "there is no deployment 'a/b'. Known: c/d"), None, "Known: c/d"),
        (500, b"500: Internal Server Error", None, "failed inside (500): its log says why"),
        (404, b"<html>nginx</html>", None, "not as lbd's admin API does: is it another server?"),
        (200, b"<html>welcome</html>", None, "not as lbd's admin API does: is it another server?"),
        (200, b"[1]", None, "is it another server?"),
    ],
)
def test_a_refusal_is_told_in_the_daemons_words_with_what_helps(
    status: int, document: object, token: str | None, told: str
) -> None:
    """Exit status 1."""
    with serving({"GET /x": (status, document)}) as console:
        error = failure(Client(parse(console.url, "--admin"), token))
    assert told in str(error)
    assert error.exit_status == REFUSED


def test_an_answer_of_another_server_or_version_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """What lacks a key anywhere is told with the key and the remedy, also where its words were made harmless first."""
    with serving({"GET /x": {"a": [{"b": "\x1b[31m"}]}}) as console:
        document = Client(parse(console.url, "x")).get("/x")

        @admin_client.told
        def command(_args: argparse.Namespace) -> int:
            return int(paint.tame(document)["a"][0]["state"])

        assert command(argparse.Namespace()) == REFUSED
    told = capsys.readouterr().err
    assert "no 'state'" in told and "another version" in told and "--admin" in told
    assert document.get("c") is None and "c" not in document


def test_the_problem_document_comes_along() -> None:
    """Problems of a configuration are more than a sentence."""
    with serving({"GET /x": (422, problem(422, "bad", problems=[{"line": 3}]))}) as console:
        assert failure(Client(parse(console.url, "x"))).document["problems"] == [{"line": 3}]


def test_a_stream_is_read_line_by_line() -> None:
    """As it comes, not when it ends."""
    with serving({"GET /s": lambda _: (200, iter([b"data: 1\n", b"\ndata: 2\n\n"]))}) as console:
        lines = list(Client(parse(console.url, "x")).stream("/s", timeout_s=5, follow=1))
    assert lines == [b"data: 1\n", b"\n", b"data: 2\n", b"\n"]
    assert console.asked[0].query == {"follow": "1"}


def test_a_stream_that_is_refused_is_an_error() -> None:
    """Not an empty stream."""
    with serving({"GET /s": (401, problem(401, "no"))}) as console, pytest.raises(AdminError, match="token is needed"):
        list(Client(parse(console.url, "x")).stream("/s", timeout_s=5))


def test_an_error_becomes_one_line_and_its_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    """Never a traceback, and never what a terminal would obey."""

    @admin_client.told
    def run(_args: argparse.Namespace) -> int:
        raise AdminError("first\nsecond \x1b[31m", exit_status=3)

    assert run(argparse.Namespace()) == 3
    told = capsys.readouterr().err
    assert told.startswith("lbd: first second ")
    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_a_client_is_made_from_the_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As every command declares them."""
    monkeypatch.delenv("LBD_ADMIN", raising=False)
    parser = argparse.ArgumentParser()
    admin_client.arguments(parser)
    (tmp_path / "t").write_text("abc")
    client = admin_client.client(parser.parse_args(["--admin", "a:1", "--token-file", str(tmp_path / "t")]))
    assert (client.where.host, client._token) == ("a", "abc")


def test_a_command_of_a_command_takes_the_options_in_both_places() -> None:
    """What stands before the action is not lost behind it."""
    top = argparse.ArgumentParser()
    admin_client.arguments(top)
    sub = top.add_subparsers().add_parser("act")
    admin_client.arguments(sub, default=argparse.SUPPRESS)
    assert top.parse_args(["--admin", "a:1", "act"]).admin == "a:1"
    assert top.parse_args(["act", "--admin", "a:1"]).admin == "a:1"
    assert top.parse_args(["act"]).admin is None


def test_the_exit_statuses_are_told_in_the_help() -> None:
    """Scripts rest on them."""
    assert admin_client.exit_statuses("0 shown") == (
        "exit status: 0 shown; 1 refused or failed; 2 wrong arguments; 3 the daemon cannot be reached"
    )
