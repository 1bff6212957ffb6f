"""What lbd is installed with is locked, listed, licensed for everybody's use, and nothing else comes with it."""

from __future__ import annotations

import json
import re
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED_FILE = ROOT / "etc" / "requirements.txt"
DIRECT = {canonicalize_name((r := Requirement(text)).name): r for text in PROJECT["dependencies"]}
FOR = {  # what the file was made for; what it holds suits later versions of Python too
    "python_version": "3.11",
    "python_full_version": "3.11.9",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "extra": "",
}
# None of them asks anything of who uses or passes lbd on but to keep the notice; MPL-2.0 only of who changes the
# package's own files (orjson's writer of floats), which lbd does not.
PERMISSIVE = frozenset({"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0", "Python-2.0"})
OF_ITS_OWN_FILES = {"orjson": frozenset({"MPL-2.0"})}
_IN_WORDS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}


def locked(file: Path) -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes of each package that a file locks."""
    entries = file.read_text().replace("\\\n", " ").splitlines()
    out = {}
    for line in entries:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+) ((?: *--hash=sha256:[0-9a-f]{64})+) *", line)
        assert found is not None, f"neither a version nor a hash: {line!r}"
        out[canonicalize_name(found[1])] = found[2], re.findall(r"sha256:([0-9a-f]{64})", found[3])
    return out


LOCKED = locked(LOCKED_FILE)
SBOM: dict[str, Any] = json.loads((ROOT / "etc" / "sbom.cdx.json").read_text())
COMPONENTS = {canonicalize_name(c["name"]): c for c in SBOM["components"]}


def test_every_package_is_locked_to_one_version_by_its_hashes() -> None:
    """Of each several files: for other machines and versions of Python, and its source."""
    assert all(len(set(hashes)) == len(hashes) >= 2 for _, hashes in LOCKED.values())


def test_the_file_names_no_place_to_fetch_from() -> None:
    """Whoever installs has an index of his own; the hashes hold for every one."""
    text = LOCKED_FILE.read_text().replace("    --hash", "")
    assert not re.search(r"://|--index|--find-links|--trusted|--extra-index|^-", text, re.MULTILINE)


def test_what_is_locked_suits_what_is_asked_for() -> None:
    """The floors of pyproject.toml; to make the file anew, its head says how."""
    for name, requirement in DIRECT.items():
        assert name in LOCKED, f"{name}: make etc/requirements.txt anew, as its head says"
        assert requirement.specifier.contains(LOCKED[name][0]), f"{requirement}: locked is {LOCKED[name][0]}"


def needed(name: str) -> set[str]:
    """Return what a package needs, as far as the version that is installed here is the locked one."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return set()
    if found.version != LOCKED[name][0]:
        return set()
    return {
        canonicalize_name(r.name)
        for r in map(Requirement, found.requires or ())
        if r.marker is None or r.marker.evaluate(FOR)
    }


def test_everything_that_is_needed_is_locked_and_nothing_else() -> None:
    """The closure, by what the packages say of themselves."""
    reached: set[str] = set()
    left = set(DIRECT)
    while left:
        name = left.pop()
        assert name in LOCKED, name
        reached.add(name)
        left |= needed(name) - reached
    same = all(metadata.version(n) == LOCKED[n][0] for n in reached)
    assert reached <= LOCKED.keys() and (not same or reached == LOCKED.keys())


def test_the_bill_of_materials_is_of_what_is_locked() -> None:
    """Each package at its version, with its licence; the README says how it is made."""
    assert (SBOM["bomFormat"], SBOM["metadata"]["component"]["name"]) == ("CycloneDX", "lbd")
    assert {name: c["version"] for name, c in COMPONENTS.items()} == {n: v for n, (v, _) in LOCKED.items()}
    for name, component in COMPONENTS.items():
        assert component["purl"] == f"pkg:pypi/{name}@{component['version']}"
        assert component["licenses"], name


def test_the_bill_of_materials_says_who_needs_what() -> None:
    """lbd itself what its project file says, and each package only what is there."""
    by_ref = {c["bom-ref"]: canonicalize_name(c["name"]) for c in SBOM["components"]}
    root = SBOM["metadata"]["component"]["bom-ref"]
    graph = {d["ref"]: set(d.get("dependsOn", ())) for d in SBOM["dependencies"]}
    assert {by_ref[ref] for ref in graph[root]} == set(DIRECT)
    assert graph.keys() - {root} == by_ref.keys()


def words(licences: list[dict[str, Any]]) -> set[str]:
    """Return the licences that a component names."""
    out: set[str] = set()
    for one in licences:
        text = one.get("expression") or one["license"].get("id") or one["license"]["name"]
        text = _IN_WORDS.get(text, text)
        out |= set(re.split(r" (?:AND|OR|WITH) ", text.replace("(", "").replace(")", "")))
    return out


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_every_licence_is_permissive(name: str) -> None:
    """By what was declared when the package was locked, and by what is installed here."""
    allowed = PERMISSIVE | OF_ITS_OWN_FILES.get(name, frozenset())
    assert words(COMPONENTS[name]["licenses"]) <= allowed
    told = metadata.metadata(name)
    declared = [told["License-Expression"]] if told["License-Expression"] else []
    declared += [c for c in told.get_all("Classifier", []) if c.startswith("License ::")] if not declared else []
    if declared:
        assert words([{"expression": _IN_WORDS.get(d, d)} for d in declared]) <= allowed
    else:
        assert told["License"] and not re.search(r"GPL|AGPL|SSPL|Business", told["License"])


# --- what lbd itself brings ---------------------------------------------------------------------------

PRIVATE = re.compile(
    rb"PRIVATE KEY-----\s[A-Za-z0-9+/=]{40}|\bsk-(?!1\b)[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|/root/|/home/[a-z]"
)


def test_the_wheel_brings_the_program_and_nothing_else(tmp_path: Path) -> None:
    """No tests, nothing that runs when Python starts, nothing private; it is built here, without an index."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        names = [i.filename for i in wheel.infolist()]
        odd = [i.filename for i in wheel.infolist() if (i.external_attr >> 16) & 0o170000 == 0o120000]
        told = {n: wheel.read(n) for n in names}
    assert not odd, "links"
    tops = {n.split("/")[0] for n in names}
    assert {re.sub(r"-[^-]*\.(?=dist-info|data)", ".", t) for t in tops} == {
        "lbd",
        "probes",
        "lbd.dist-info",
        "lbd.data",
    }
    kinds = {Path(n).suffix for n in names}
    assert not kinds & {".pth", ".so", ".pyd", ".pyc", ".key", ".pem", ".db", ".env"}
    assert not [n for n in names if re.search(r"(^|/)(tests?|conftest\.py|sitecustomize\.py|\.[^/]+)(/|$)", n)]
    assert not [n for n, content in told.items() if PRIVATE.search(content)]
    brought = {n.rpartition("/share/lbd/")[2] for n in names if "/share/lbd/" in n}
    assert {"etc/requirements.txt", "etc/sbom.cdx.json", "systemd/lbd.service"} <= brought
    (entries,) = (told[n] for n in names if n.endswith("entry_points.txt"))
    assert entries.decode().split() == ["[console_scripts]", "lbd", "=", "lbd.cli.main:main"]


# --- what the Debian package brings ---------------------------------------------------------------------

DEBIAN = ROOT / "systemd" / "debian"
BUNDLED = locked(DEBIAN / "requirements.txt")
HEAD = (DEBIAN / "requirements.txt").read_text().split("\n\n")[0]
EXTRAS = re.findall(r"--extra=(\w+)", HEAD)


def test_the_debian_package_names_the_maintainers_of_the_project() -> None:
    """Who maintains the one maintains the other; to be changed in both places, or not at all."""
    (who,) = PROJECT["maintainers"]
    control = (ROOT / "systemd" / "debian" / "control").read_text()
    assert re.findall("^Maintainer: (.*)$", control, re.MULTILINE) == [f"{who['name']} <{who['email']}>"]


def test_the_debian_package_brings_what_is_locked_to_the_byte() -> None:
    """Made anew after etc/requirements.txt, by the command in its head."""
    assert LOCKED.items() <= BUNDLED.items()


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_debian_package_brings_its_extras(extra: str) -> None:
    """Whoever has the package cannot install extras into it."""
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        assert requirement.specifier.contains(BUNDLED[canonicalize_name(requirement.name)][0]), requirement


def test_the_extras_are_those_that_the_package_tells_of() -> None:
    """README and the package's own."""
    assert set(EXTRAS) == {"otlp", "top", "validate"}
    assert "the extras `top`, `validate` and `otlp` among them" in " ".join((ROOT / "README.md").read_text().split())


def test_whoever_made_what_the_debian_package_brings_is_named() -> None:
    """Each bundled package stands in debian/copyright, and nothing that is not bundled; each licence has its text."""
    text = (DEBIAN / "copyright").read_text()
    files = {name for line in re.findall(r"^Files: (.+)$", text, re.MULTILINE) for name in line.split()}
    assert files - {"*", "lbd/page/static/uPlot*"} == BUNDLED.keys()
    named = re.findall(r"^License: (.+)$", text, re.MULTILINE)
    licences = {name for line in named for name in re.split(r" (?:and|or) ", line.replace("(", "").replace(")", ""))}
    assert licences == set(re.findall(r"^License: (\S+)\n ", text, re.MULTILINE))


def test_what_builds_the_package_is_locked_too() -> None:
    """The build system that pyproject.toml names."""
    tools = locked(DEBIAN / "requirements-build.txt")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for requirement in map(Requirement, build):
        assert requirement.specifier.contains(tools[canonicalize_name(requirement.name)][0])
