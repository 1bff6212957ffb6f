"""The list of models is of the official SDKs' types."""

from __future__ import annotations

from anthropic.types import ModelInfo
from openai.types import Model

from lbd.ingress import models

BORN = 1_700_000_000


def test_openai_s_clients_read_it() -> None:
    """Ids may hold slashes."""
    listed = models.openai_list(["m", "org/m:free"], BORN)
    assert listed["object"] == "list"
    assert [Model.model_validate(m).id for m in listed["data"]] == ["m", "org/m:free"]
    assert Model.model_validate(models.openai("m", BORN)).created == BORN


def test_anthropic_s_clients_read_it() -> None:
    """One page, whose ends are named; an empty one has none."""
    listed = models.anthropic_list(["m", "n"], BORN)
    assert [ModelInfo.model_validate(m).id for m in listed["data"]] == ["m", "n"]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "m", "n")
    assert models.anthropic_list([], BORN)["first_id"] is None
    assert ModelInfo.model_validate(models.anthropic("m", BORN)).created_at.timestamp() == BORN


def test_one_or_all_by_the_client() -> None:
    """No name: all of them."""
    assert models.document("m", ["m"], BORN, anthropics=True)["type"] == "model"
    assert models.document("", ["m"], BORN, anthropics=True)["first_id"] == "m"
    assert models.document("m", ["m"], BORN, anthropics=False)["object"] == "model"
    assert models.document("", ["m"], BORN, anthropics=False)["object"] == "list"
