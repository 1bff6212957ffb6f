"""Where the admin API is."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lbd.cli import admin_address
from lbd.cli.admin_address import DEFAULT, AdminError, find, parse, read_token


def config(folder: Path, text: str, **drop_ins: str) -> Path:
    path = folder / "lbd.yaml"
    path.write_text(text)
    for name, more in drop_ins.items():
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "conf.d" / f"{name}.yaml").write_text(more)
    return path


def test_the_option_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """The nearest word counts."""
    path = config(tmp_path, "admin: {socket: /run/file.sock}\n")
    environ = {"LBD_ADMIN": "http://env:2"}
    assert str(find("unix:/run/option.sock", path, environ)) == "unix:/run/option.sock"
    assert str(find(None, path, environ)) == "http://env:2"
    assert str(find(None, path, {})) == "unix:/run/file.sock"


def test_the_socket_is_preferred_to_the_port(tmp_path: Path) -> None:
    """The socket needs no token."""
    path = config(
        tmp_path, "listen: 127.0.0.1:1\nadmin:\n  listen: 127.0.0.1:9\n  socket: /run/lbd/admin.sock\nproviders: []\n"
    )
    assert str(find(None, path, {})) == "unix:/run/lbd/admin.sock"


def test_a_section_with_a_certificate_means_https(tmp_path: Path) -> None:
    """At its TCP address; the socket is preferred all the same, and speaks no TLS."""
    tls = "tls: {cert_file: a, key_file: b}"
    assert str(find(None, config(tmp_path, f"admin: {{{tls}}}\n"), {})) == "https://127.0.0.1:8081"
    path = config(tmp_path, f"admin:\n  listen: 127.0.0.1:9\n  {tls}\n")
    assert str(find(None, path, {})) == "https://127.0.0.1:9"
    found = find(None, config(tmp_path, f"admin: {{socket: /run/x.sock, {tls}}}\n"), {})
    assert (str(found), found.tls) == ("unix:/run/x.sock", False)


def test_a_file_without_an_admin_section_means_the_default(tmp_path: Path) -> None:
    """As the daemon reads it."""
    where = find(None, config(tmp_path, "providers: []\n"), {})
    assert (str(where), where.named_by) == (DEFAULT, f"the default: {tmp_path / 'lbd.yaml'} names none")
    assert str(find(None, config(tmp_path, "admin: {token: {env: X}}\n"), {})) == DEFAULT


def test_without_a_readable_default_file_the_default_address_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a host where nothing is configured."""
    monkeypatch.setattr(admin_address, "DEFAULT_CONFIG", str(tmp_path / "none.yaml"))
    assert str(find(None, None, {})) == DEFAULT


def test_the_default_file_is_read_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No option is needed on a host that runs lbd."""
    path = config(tmp_path, "admin: {socket: /run/x.sock}\n")
    monkeypatch.setattr(admin_address, "DEFAULT_CONFIG", str(path))
    assert str(find(None, None, {})) == "unix:/run/x.sock"


@pytest.mark.parametrize("rest", ["providers: [\n", "listen: a\nlisten: b\n", "providers:\n  - {name: }}}\n"])
def test_a_file_that_is_broken_elsewhere_still_tells_where_the_daemon_is(tmp_path: Path, rest: str) -> None:
    """A bad edit must not keep anybody from looking at a daemon that runs well."""
    for text in (f"admin:\n  socket: /run/x.sock\n{rest}", f"{rest}admin: {{socket: /run/x.sock}}\n"):
        assert str(find(None, config(tmp_path, text), {})) == "unix:/run/x.sock"


def test_json_is_read_too(tmp_path: Path) -> None:
    """JSON is YAML."""
    path = config(tmp_path, '{"providers": [], "admin": {"listen": "127.0.0.1:99"}}')
    assert str(find(None, path, {})) == "http://127.0.0.1:99"


def test_a_drop_in_may_name_the_socket(tmp_path: Path) -> None:
    """conf.d is part of the configuration."""
    path = config(tmp_path, "admin: {listen: '127.0.0.1:5'}\n", b="admin: {socket: /run/dropped.sock}\n", a="x: 1\n")
    assert str(find(None, path, {})) == "unix:/run/dropped.sock"


def test_the_drop_ins_are_those_that_the_daemon_reads(tmp_path: Path) -> None:
    """With every suffix; what an editor left behind, hidden or broken, is none."""
    path = config(tmp_path, "admin: {listen: '127.0.0.1:5'}\n", a="x: 1\n")
    left = tmp_path / "conf.d" / ".#z.yaml"
    left.write_text("admin: {socket: /run/hidden.sock}\n")
    (tmp_path / "conf.d" / ".z.yaml").symlink_to("gone")
    assert str(find(None, path, {})) == "http://127.0.0.1:5"
    for name, text in (("b.yml", "admin: {socket: /run/b.sock}\n"), ("c.json", '{"admin": {"socket": "/run/c.sock"}}')):
        (tmp_path / "conf.d" / name).write_text(text)
        assert str(find(None, path, {})) == f"unix:/run/{name[0]}.sock"


def test_drop_ins_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """The address may stand in one of them; and there is a way around it."""
    path = config(tmp_path, "admin: {listen: '127.0.0.1:5'}\n")
    (tmp_path / "conf.d").write_text("")
    with pytest.raises(AdminError, match=r"cannot read .*conf\.d: Not a directory. Say where .* --admin"):
        find(None, path, {})


def test_a_broken_admin_section_is_told_with_its_line(tmp_path: Path) -> None:
    """And with a way around it."""
    path = config(tmp_path, "listen: 127.0.0.1:1\nadmin:\n  socket: [\nproviders: []\n")
    with pytest.raises(AdminError, match=r"lbd\.yaml:[34]: the admin section cannot be read. Say .* --admin"):
        find(None, path, {})


def test_a_daemon_without_an_admin_api_is_told_as_such(tmp_path: Path) -> None:
    """``listen: null`` and no socket."""
    with pytest.raises(AdminError, match=r"neither admin.socket nor admin.listen"):
        find(None, config(tmp_path, "admin: {listen: null}\n"), {})


def test_a_named_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """What was asked for by name is not silently replaced."""
    with pytest.raises(AdminError, match=r"cannot read .*none\.yaml: No such file"):
        find(None, tmp_path / "none.yaml", {})


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("http://10.0.0.1:8081", "http://10.0.0.1:8081"),
        ("http://gateway:8081/", "http://gateway:8081"),
        ("localhost:81", "http://localhost:81"),
        ("https://gateway:8081/", "https://gateway:8081"),
        ("https://[::1]:81", "https://[::1]:81"),
        ("http://[::1]:81", "http://[::1]:81"),
        ("0.0.0.0:81", "http://127.0.0.1:81"),
        ("[::]:81", "http://[::1]:81"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("/run/a.sock", "unix:/run/a.sock"),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, read: str) -> None:
    """An address to listen on everywhere is asked on this host."""
    assert str(parse(text, "--admin")) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gateway",
        "http://gateway",
        "https://a",
        "ftp://a:1",
        "unix:a.sock",
        "a:0",
        "a:99999",
        "http://a:1/x",
        "::1:81",
    ],
)
def test_what_is_no_address_is_refused_with_the_form_that_is(text: str) -> None:
    """The message names who said so."""
    with pytest.raises(AdminError, match=r"\(LBD_ADMIN\)"):
        parse(text, "LBD_ADMIN")


def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    """The file wins."""
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read_token(file, {"LBD_ADMIN_TOKEN": "from-env"}) == "from-file"
    assert read_token(None, {"LBD_ADMIN_TOKEN": "from-env"}) == "from-env"
    assert read_token(None, {}) is None


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "g\u00e9heim"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    """A header cannot hold it; and an empty file is a mistake, not a wish for none."""
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(AdminError, match="holds no token"):
        read_token(file, {})


def test_a_token_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(AdminError, match=r"cannot read the token file .*: No such file"):
        read_token(tmp_path / "none", dict(os.environ))


def test_the_service_s_usual_socket_is_found_where_its_file_names_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For the service's own file, or none; a socket that the file names, and another file, come first."""
    usual = tmp_path / "admin.sock"
    monkeypatch.setattr(admin_address, "USUAL_SOCKET", str(usual))
    own = config(tmp_path, "admin: {listen: 127.0.0.1:9}\n")
    monkeypatch.setattr(admin_address, "DEFAULT_CONFIG", str(own))
    assert str(find(None, None, {})) == "http://127.0.0.1:9"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(usual))
        assert str(find(None, None, {})) == str(find(None, own, {})) == f"unix:{usual}"
        own.write_text("admin: {socket: /run/x.sock}\n")
        assert str(find(None, None, {})) == "unix:/run/x.sock"
        other = tmp_path / "other.yaml"
        other.write_text("providers: []\n")
        assert str(find(None, other, {})) == DEFAULT
        monkeypatch.setattr(admin_address, "DEFAULT_CONFIG", str(tmp_path / "none.yaml"))
        assert str(find(None, None, {})) == f"unix:{usual}"
