"""YAML that our own reader reads back as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lbd.adapt.write import WIDTH, yaml_text
from lbd.config.tree import parse

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
VALUE: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(0.001, 1000).map(lambda x: round(x, 6)) | TEXT
    | st.sampled_from(["1e3", "yes", "null", "2024-01-01", "a: b", "a:", "- x", "#c", "*", "http://h/v1", " a", "a "]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(bool), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["providers", "models", "a b", "x"]), VALUE, min_size=1))
def test_what_is_written_is_what_was_meant(value: dict[str, Any]) -> None:
    """Texts stay texts, whatever they look like."""
    text = yaml_text(value, ["a comment", "of two\nlines"])
    assert parse(text, "f").value == value
    assert text.startswith("# a comment\n# of two\n# lines\n")


def test_it_is_written_as_a_person_would() -> None:
    """A deployment is one line, a provider its lines."""
    rows = [{"model": "m", "price": {"input_usd_per_mtok": 1.0}}, {"model": "n" * 80, "upstream_model": "u" * 80}]
    text = yaml_text(
        {"providers": [{"name": "p", "api_key": {"env": "K"}, "deployments": rows}], "models": {"*": "auto"}}
    )
    assert text.splitlines()[:5] == [
        "providers:",
        "  - name: p",
        "    api_key: {env: K}",
        "    deployments:",
        "      - {model: m, price: {input_usd_per_mtok: 1}}",
    ]
    assert 'models: {"*": auto}' in text and max(map(len, text.splitlines())) <= WIDTH
