"""The line that says where an answer came from, and what checks its signature."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from lbd.model.secret import Secret
from lbd.observe import provenance
from tests.fakes.records import attempt, record
from tests.fakes.tables import deployment, provider


def line() -> str:
    served = attempt(fingerprint="fp_1", upstream_id="up-7", prompt="0a1b2c3d4e5f")
    told = record(attempts=(served,), target="pin:m")
    return provenance.line(told, deployment("p/a", upstream_model="m-2026"), provider("p"))


def test_it_names_the_model_the_build_and_who_served_it() -> None:
    """Everything that an audit asks for, in an order of its own."""
    told = json.loads(line())
    assert told["request_id"] == "req_1"
    assert (told["deployment"], told["upstream_model"]) == ("p/a", "m-2026")
    assert (told["fingerprint"], told["upstream_request_id"], told["prompt"]) == ("fp_1", "up-7", "0a1b2c3d4e5f")
    assert list(told) == sorted(told) and " " not in line().split('"base_url"')[1]


def test_the_signature_is_that_of_openssl() -> None:
    """Checked with what everybody has."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("openssl is missing; it is part of every base system")
    out = subprocess.run(
        [openssl, "dgst", "-sha256", "-hmac", "k-1"], input=line(), capture_output=True, text=True, check=True
    ).stdout
    assert out.split()[-1] == provenance.signature(line(), Secret("k-1"))
    assert provenance.signature(line(), Secret("k-2")) != provenance.signature(line(), Secret("k-1"))
