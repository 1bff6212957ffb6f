"""The Debian package on a machine with systemd: installed, configured, upgraded, refused, removed, purged.

The machine is a container over this machine's own root, or (LBD_LONG=1) over the smallest Debian there is; what happens
in it is thrown away. Real dpkg, real systemd, the units as they are installed.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import machine
from tests.fakes.machine import Machine, MachineError

pytestmark = pytest.mark.timeout(400)  # the first one builds
ROOT = Path(__file__).parents[2]
BUILD_DEB = ROOT / "systemd" / "build-deb"
BUILT = 300.0  # seconds; a build takes some 25 of them on two idle cores
NEEDED = ("python3", "ca-certificates", "tzdata", "systemd", "systemd-sysv")  # the first three are what it depends on
LATER = "99.0-1+test"
KEY = "a-key-that-only-root-can-read"
PROVIDER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.tell(200, {{"object": "list", "data": [{{"id": "m", "object": "model"}}]}})
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if self.headers["authorization"] != "Bearer {KEY}":
            self.tell(401, {{"error": {{"message": "no"}}}})
            return
        message = {{"role": "assistant", "content": "well"}}
        self.tell(200, {{"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {{"index": 0, "message": message, "finish_reason": "stop"}}],
            "usage": {{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}}})
    def tell(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", 8000), Answer).serve_forever()
"""
# each on a connection of its own, as applications do that have just started
CLIENT = """
import http.client, json, os, sys, time
good, bad = 0, []
while not os.path.exists("/run/client.stop") and (sys.argv[1:] != ["once"] or good + len(bad) == 0):
    try:
        c = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
        c.request("POST", "/v1/chat/completions", json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": "how are you?"}]}),
            {"content-type": "application/json"})
        r = c.getresponse()
        text = r.read().decode()
        if r.status == 200 and "well" in text:
            good += 1
        else:
            bad.append(f"{r.status} {text}")
    except Exception as e:
        bad.append(repr(e))
    with open("/run/client.new", "w") as f:
        json.dump({"good": good, "bad": bad}, f)
    os.replace("/run/client.new", "/run/client.json")
    time.sleep(0.02)
"""
CONFIG = """\
# written by the administrator
listen: 127.0.0.1:8080
admin: {listen: 127.0.0.1:8081, socket: /run/lbd/admin.sock}
log: {level: %s, provenance_key: {env: PROVENANCE}}
providers:
  - name: local
    shape: openai
    base_url: http://127.0.0.1:8000/v1
    api_key: {credential: local}
    deployments: [{model: m}]
"""
DROP_IN = "[Service]\nLoadCredential=local:/etc/lbd/keys/local\nEnvironmentFile=/etc/lbd/environment\n"


# --- packages -------------------------------------------------------------------------------------------


def build(tree: Path, folder: Path, wheels: Path) -> Path:
    """Build the package of a tree."""
    done = subprocess.run(
        [tree / "systemd" / "build-deb", "--wheels", wheels, folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILT,
        env={**os.environ, "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"},  # larger, but sooner
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package is made of, fetched once."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """The package of this tree."""
    for program in ("dh", "dpkg-buildpackage", "/usr/bin/python3"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing (debhelper, python3): the package was not built")
    return build(ROOT, tmp_path_factory.mktemp("package"), wheels)


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Path:
    """The same as a later version, with another configuration file of the package's own."""
    tree = tmp_path_factory.mktemp("later") / "tree"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    version = subprocess.run(["dpkg-deb", "-f", package, "Version"], check=True, capture_output=True, text=True)
    was = version.stdout.strip()
    home = tree / "usr/lib/lbd/versions"
    (home / was).rename(home / LATER)
    (tree / "usr/bin/lbd").unlink()
    (tree / "usr/bin/lbd").symlink_to(f"../lib/lbd/versions/{LATER}/bin/lbd")
    (tree / "DEBIAN/md5sums").unlink()
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {was}", f"Version: {LATER}"))
    for file in (tree / "DEBIAN/preinst", tree / "DEBIAN/postinst", home / LATER / "bin/lbd"):
        file.write_text(file.read_text().replace(was, LATER))
    (init,) = home.glob(f"{LATER}/lib/python3*/site-packages/lbd/__init__.py")
    init.write_text(init.read_text().replace(was.rpartition("-")[0], LATER.rpartition("-")[0]))
    for code in init.parent.glob("__pycache__/__init__.*"):
        code.unlink()
    conffile = tree / "etc/lbd/lbd.yaml"
    conffile.write_text(conffile.read_text() + "\n# of the later version\n")
    made = tree.parent / "later.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, made], check=True, capture_output=True)
    return made


# --- the machine ----------------------------------------------------------------------------------------


_CLEAN = pytest.param(
    "clean",
    marks=pytest.mark.skipif(not os.environ.get("LBD_LONG"), reason="takes long: LBD_LONG=1 runs it"),
)


@pytest.fixture(scope="module", params=["here", _CLEAN])
def booted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, package: Path
) -> Iterator[Machine]:
    """A running machine that has the packages which lbd's names."""
    lack = machine.missing()
    if lack:
        pytest.skip(f"{lack}: the package was built, and not installed")
    folder = tmp_path_factory.mktemp("machine")
    try:
        root = Path("/")
        if request.param == "clean":
            root = machine.clean_root(folder / "root", codename(), *NEEDED)
        with Machine(folder / "over", root) as it:
            it.path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)  # images of containers forbid services by it
            it.path("/var/lib/man-db/auto-update").unlink(missing_ok=True)  # nobody looks for manual pages here
            it.write("/root/provider.py", PROVIDER)
            it.write("/root/client.py", CLIENT)
            it.say("systemd-run", "--unit=provider", "/usr/bin/python3", "/root/provider.py")
            yield it
    except MachineError as e:
        pytest.skip(f"{e}: the package was built, and not installed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def codename() -> str:
    """Return the release of Debian that this machine runs, for which the package is."""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    return found[1] if found else "stable"


@pytest.fixture
def host(booted: Machine, package: Path, later: Path) -> Machine:
    """The machine without lbd, and with both packages at hand."""
    booted.run("dpkg", "--purge", "lbd", check=False)
    booted.run("sh", "-c", "rm -rf /etc/lbd /etc/systemd/system/lbd* /run/client.*; systemctl daemon-reload")
    booted.run("systemctl", "reset-failed")
    for name, file in (("first", package), ("later", later)):
        shutil.copy(file, booted.path(f"/root/{name}.deb"))
    return booted


def install(host: Machine, name: str) -> str:
    """Install one of the packages, as apt would that nobody watches; returns what was said."""
    done = host.run(
        *("dpkg", "--force-unsafe-io", "--force-confdef", "--force-confold", "--install", f"/root/{name}.deb"),
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
    return done.stdout + done.stderr


def configure(host: Machine, level: str = "info") -> None:
    """Configure one provider, with a credential and a variable that nobody but the service has; and start."""
    host.write("/etc/lbd/lbd.yaml", CONFIG % level)
    host.write("/etc/lbd/keys/local", KEY, 0o600)
    host.write("/etc/lbd/environment", "PROVENANCE=a-key-that-signs-which-is-long-enough\n", 0o600)
    host.write("/etc/systemd/system/lbd.service.d/override.conf", DROP_IN)
    host.say("systemctl", "daemon-reload")
    done = host.run("systemctl", "enable", "--now", "lbd.socket", "lbd.service", check=False)
    assert done.returncode == 0, host.say("journalctl", "--unit=lbd", "--lines=20", "--output=cat")


def asked(host: Machine) -> None:
    """Ask once; it must be answered."""
    host.run("/usr/bin/python3", "/root/client.py", "once")
    counts = json.loads(host.path("/run/client.json").read_text())
    assert counts["bad"] == [] and counts["good"] == 1, counts


def version_that_runs(host: Machine) -> str:
    text = host.say("/usr/bin/python3", "-c", _HEALTH)
    return str(json.loads(text)["releaseId"])


_HEALTH = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8081/health').read().decode())"


def pid(host: Machine) -> int:
    return int(host.say("systemctl", "show", "--property=MainPID", "--value", "lbd.service"))


def versions(host: Machine) -> dict[str, str]:
    """Return where each version that can run runs from."""
    folder = host.path("/usr/lib/lbd/run")
    return {p.name: str(p.readlink()) for p in folder.iterdir()}


# --- what happens ---------------------------------------------------------------------------------------


def test_what_is_installed_is_whole_does_nothing_and_fails_nothing(host: Machine) -> None:
    """No unit fails or runs, and it says what to do; the program works for the user lbd, the units verify."""
    said = install(host, "first")
    assert "it needs a provider" in said and "systemctl enable --now lbd.socket lbd.service" in said
    for unit in ("lbd.service", "lbd.socket"):
        assert host.run("systemctl", "is-active", unit, check=False).stdout.strip() == "inactive"
        assert host.run("systemctl", "is-enabled", unit, check=False).stdout.strip() == "disabled"
    assert "lbd" not in host.say("systemctl", "list-units", "--failed", "--plain", "--no-legend")
    assert host.say("dpkg", "--verify", "lbd") == ""
    as_lbd = ("runuser", "--user", "lbd", "--")
    assert host.say(*as_lbd, "lbd", "--version").startswith("lbd ")
    refused = host.run(*as_lbd, "lbd", "check", check=False)
    assert (refused.returncode, refused.stderr) == (1, "/etc/lbd/lbd.yaml:1:1: `providers` is missing\n")
    host.say(*as_lbd, "lbd", "top", "--help")
    verified = host.run("systemd-analyze", "verify", "--man=no", "lbd.service", "lbd.socket")
    assert (verified.stdout, verified.stderr) == ("", "")
    exposed = host.say("systemd-analyze", "security", "--offline=true", "--no-pager", "lbd.service")
    assert (found := re.search(r"Overall exposure level for lbd.service: ([\d.]+)", exposed)) and float(found[1]) <= 1.5
    for module in ("rich", "jsonschema.validators", "opentelemetry.proto"):  # what its extras bring
        host.say(f"/usr/lib/lbd/run/{next(iter(versions(host)))}/bin/python3", "-c", f"import {module}")
    assert host.path("/etc/lbd/keys").stat().st_mode & 0o777 == 0o700


def test_an_upgrade_loses_no_request_and_keeps_the_configuration(host: Machine) -> None:
    """Under traffic. The configuration is good only as the service sees it; the package's own has changed, too."""
    install(host, "first")
    configure(host)
    asked(host)
    assert host.run("lbd", "check", check=False).returncode == 1, "the keys are the service's alone"
    assert host.say("stat", "--format=%U %a", "/var/lib/lbd", "/var/lib/lbd/state.db") == "lbd 700\nlbd 600"
    assert host.say("stat", "--format=%U", f"/proc/{pid(host)}") == "lbd"
    before = pid(host)
    host.path("/run/client.json").unlink()
    host.say("systemd-run", "--unit=client", "/usr/bin/python3", "/root/client.py")
    said = install(host, "later")
    assert "does not take the configuration" not in said and "it needs a provider" not in said
    time.sleep(0.5)
    host.write("/run/client.stop", "")
    while host.run("systemctl", "is-active", "--quiet", "client", check=False).returncode == 0:
        time.sleep(0.05)
    counts = json.loads(host.path("/run/client.json").read_text())
    assert counts["bad"] == [] and counts["good"] > 10
    assert pid(host) not in (0, before) and version_that_runs(host) == "99.0"
    assert host.path("/etc/lbd/lbd.yaml").read_text() == CONFIG % "info"
    assert "# of the later version" in host.path("/etc/lbd/lbd.yaml.dpkg-dist").read_text()
    assert versions(host) == {LATER: f"../versions/{LATER}"}
    assert not host.path("/usr/lib/lbd/kept").exists()
    assert [p.name for p in host.path("/usr/lib/lbd/versions").iterdir()] == [LATER]


def test_a_version_that_refuses_the_configuration_leaves_the_daemon_alone(host: Machine) -> None:
    """It goes on from its own files, which are all there; once the file is mended, the same step restarts it."""
    install(host, "first")
    configure(host)
    before = pid(host)
    (old,) = versions(host)
    files = sorted(p.relative_to(host.path("/usr/lib/lbd/versions")) for p in tree(host, f"versions/{old}"))
    host.write("/etc/lbd/lbd.yaml", CONFIG % "loud")
    said = install(host, "later")
    assert re.search(r"/etc/lbd/lbd\.yaml:4:\d+: log\.level: ", said), said
    assert f"({LATER}) does not take the configuration" in said and f"process {before}" in said
    assert (
        host.say("dpkg-query", "--show", "--showformat=${Status} ${Version}", "lbd") == f"install ok installed {LATER}"
    )
    assert pid(host) == before and version_that_runs(host) != "99.0"
    asked(host)
    assert versions(host) == {old: f"../kept/{old}", LATER: f"../versions/{LATER}"}
    kept = sorted(p.relative_to(host.path("/usr/lib/lbd/kept")) for p in tree(host, f"kept/{old}"))
    assert kept == files
    refused = host.run("systemctl", "reload", "lbd", check=False)
    assert refused.returncode != 0 and pid(host) == before

    host.write("/etc/lbd/lbd.yaml", CONFIG % "info")
    host.run("dpkg-reconfigure", "lbd", env={"DEBIAN_FRONTEND": "noninteractive"})
    assert pid(host) not in (0, before) and version_that_runs(host) == "99.0"
    asked(host)
    assert versions(host) == {LATER: f"../versions/{LATER}"} and not host.path("/usr/lib/lbd/kept").exists()


def tree(host: Machine, name: str) -> list[Path]:
    return [p for p in host.path(f"/usr/lib/lbd/{name}").rglob("*") if not p.is_dir()]


def test_a_service_that_was_stopped_stays_so(host: Machine) -> None:
    """An upgrade starts nothing that nobody started, whatever the configuration is."""
    install(host, "first")
    configure(host)
    host.say("systemctl", "stop", "lbd.socket", "lbd.service")
    host.write("/etc/lbd/lbd.yaml", CONFIG % "loud")
    assert "does not take" not in install(host, "later")
    assert host.run("systemctl", "is-active", "lbd.service", check=False).stdout.strip() == "inactive"
    assert versions(host) == {LATER: f"../versions/{LATER}"} and not host.path("/usr/lib/lbd/kept").exists()


def test_removed_it_is_stopped_and_purged_it_is_gone(host: Machine) -> None:
    """State and configuration survive the first, and of the second nothing is left but people's own files."""
    host.say("systemd-sysusers", "--inline", 'u lbd - "Load balancer for LLM providers" /var/lib/lbd')  # stays
    before = listing(host)
    install(host, "first")
    configure(host)
    asked(host)
    host.say("dpkg", "--remove", "lbd")
    assert (
        host.run("systemctl", "is-active", "lbd.service", "lbd.socket", check=False).stdout.split() == ["inactive"] * 2
    )
    assert not host.path("/usr/lib/lbd").exists() and not host.path("/run/lbd").exists()
    assert host.path("/etc/lbd/lbd.yaml").read_text() == CONFIG % "info"
    assert host.path("/var/lib/lbd/state.db").exists()

    install(host, "first")  # again: enabled as it was, and started by whoever wants it to run
    assert host.path("/etc/lbd/lbd.yaml").read_text() == CONFIG % "info"
    assert host.say("systemctl", "is-enabled", "lbd.service", "lbd.socket").split() == ["enabled"] * 2
    host.say("systemctl", "start", "lbd.socket", "lbd.service")
    asked(host)

    purged = host.run("dpkg", "--purge", "lbd")
    said = purged.stdout + purged.stderr
    assert "/var/lib/lbd is deleted" in said
    assert "directory '/etc/lbd/keys' not empty so not removed" in said
    left = {line[2:] for line in difflib.ndiff(before, listing(host)) if line.startswith(("+ ", "- "))}
    mine = {"/etc/lbd", "/etc/lbd/environment", "/etc/lbd/keys", "/etc/lbd/keys/local"}
    mine |= {"/etc/systemd/system/lbd.service.d", "/etc/systemd/system/lbd.service.d/override.conf"}
    assert left == mine
    assert host.say("getent", "passwd", "lbd")


def listing(host: Machine) -> list[str]:
    """Return every path that a package could leave something at."""
    found = host.say(
        "find", "/etc", "/usr", "/lib", "/var", "/opt", "-xdev", "-path", "/var/log", "-prune", "-o", "-print"
    )
    noise = re.compile(r"/var/lib/dpkg/|/var/cache/|/var/lib/systemd/|/var/tmp/|/etc/[a-z]*-$|/__pycache__")
    return sorted(p for p in found.splitlines() if not noise.search(p))


def test_lintian_has_nothing_to_say(package: Path) -> None:
    """No error and no warning; what is overridden stands with its reason in systemd/debian."""
    if shutil.which("lintian") is None:
        pytest.skip("lintian is missing: the package was not linted")
    words = ["lintian", "--allow-root", "--fail-on=none", package]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=BUILT)
    assert done.stdout == ""


def test_the_same_tree_gives_the_same_bytes(package: Path, tmp_path: Path, wheels: Path) -> None:
    """Another time, in another folder."""
    names = ("CHANGELOG.md", "LICENSE", "README.md", "etc", "lbd", "probes", "pyproject.toml", "systemd")
    made = []
    for name in ("one", "another-folder"):
        (tmp_path / name).mkdir()
        subprocess.run(["cp", "-a", *(ROOT / n for n in names), tmp_path / name], check=True)
        made.append(build(tmp_path / name, tmp_path / name / "out", wheels).read_bytes())
    assert made[0] == made[1]
