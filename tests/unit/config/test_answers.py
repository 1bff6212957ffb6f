"""Checks of answers and prompts as configured: what they become, and what is refused with its place."""

from __future__ import annotations

import pytest

from lbd.config.answers import VERSION
from lbd.model.provider import PromptSpec
from lbd.model.validation import Validation
from tests.fakes.configs import LOCAL, checked, problems


def surface(validate: str) -> str:
    return f"{LOCAL}surfaces:\n  - name: s\n    validate: {validate}\n"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{json_schema: true}", Validation(own_schema=True)),
        ("{json_schema: {type: object}}", Validation(schema=b'{"type":"object"}')),
        ("{json_schema: false, regex: '^a'}", Validation(regex="^a")),
        ("{min_chars: 1, max_chars: 9}", Validation(min_chars=1, max_chars=9)),
        ("{refusal: refuse, language: de, on_failure: pass}", Validation(refusal=True, language="de", serve_last=True)),
    ],
)
def test_checks_become_a_spec(text: str, meant: Validation) -> None:
    """Each of them, and what is done when every answer fails."""
    assert checked(surface(text)).surfaces["s"].validation == meant
    assert checked(f"{LOCAL}surfaces: [{{name: s}}]\n").surfaces["s"].validation is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{regex: '('}", "8:16: surfaces[0].validate.regex: is no regular expression"),
        ("{regex: (a+)+}", "8:16: surfaces[0].validate.regex: has a repeat within a repeat"),
        ("{json_schema: {type: nope}}", "8:16: surfaces[0].validate.json_schema: is no JSON schema: .type"),
        ("{json_schema: {$ref: 'http://x/y'}}", "8:16: surfaces[0].validate.json_schema: refers to 'http://x/y'"),
        ("{min_chars: 9, max_chars: 1}", "8:30: surfaces[0].validate.max_chars: is less than min_chars, which is 9"),
        ("{on_failure: pass}", "surfaces[0].validate: names no check"),
        ("{json_schema: false}", "surfaces[0].validate: names no check"),
        ("{language: tlh}", "surfaces[0].validate.language: "),
        ("{refusal: true}", "surfaces[0].validate.refusal: "),
        ("{max_chars: 0}", "surfaces[0].validate.max_chars: "),
        ("{lenght: 5}", "surfaces[0].validate.lenght: "),
    ],
)
def test_what_cannot_be_checked_is_refused_with_its_place(text: str, told: str) -> None:
    """When the configuration is, and not when the first answer comes."""
    (problem,) = problems(surface(text))
    assert told in problem


def deployment(prompt: str) -> PromptSpec | None:
    return checked(LOCAL.replace("{model: m}", f"{{model: m, prompt: {prompt}}}")).deployments[0].prompt


def test_a_prompt_has_a_version_of_its_texts() -> None:
    """The same texts, the same version; moved from one place to another they are others."""
    one, other = deployment("{system: a, prefix: b}"), deployment("{system: a, suffix: b}")
    assert one is not None and other is not None
    assert (one.system, one.prefix, one.suffix, len(one.version)) == ("a", "b", "", VERSION)
    assert one.version != other.version and deployment("{system: a, prefix: b}") == one
    assert set(one.version) <= set("0123456789abcdef")


def test_a_prompt_of_nothing_is_none() -> None:
    """It changes no byte, so it has no version."""
    assert deployment("{}") is None and deployment("{system: ''}") is None and deployment("null") is None
