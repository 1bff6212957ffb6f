"""The polite frame: what is taken off, and what never is."""

from __future__ import annotations

import pytest

from lbd.router.frame import bare
from lbd.router.text import _TOKEN

TASK = "which enzyme unwinds the double helix before replication ?"


def left(text: str) -> str:
    """Return what is left of a text."""
    tokens = _TOKEN.findall(text.lower())
    begin, end = bare(tokens)
    return " ".join(tokens[begin:end])


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Please {}",
        "You are a helpful assistant. Please answer the following question: {}",
        "Hello! {} Thanks a lot!",
        "Bitte beantworten Sie die folgende Frage: {} Vielen Dank im Voraus.",
        "Bonjour, pouvez-vous répondre à la question suivante: {} Merci beaucoup!",
        "Hola! Por favor, responda a la siguiente pregunta: {} Gracias.",
        "{}\nAnswer:",
    ],
)
def test_a_frame_is_taken_off_in_each_language(around: str) -> None:
    """Only whole sentences, from both ends."""
    assert left(around.format(TASK)) == TASK


def test_what_is_all_frame_stays() -> None:
    """A greeting is a prompt, too."""
    assert left("Hello, how can I help you?") and left("Thanks!") == "thanks !"
    assert bare([]) == (0, 0)


def test_a_long_frame_is_a_task_of_its_own() -> None:
    """Looked at are so many tokens from each end, no more."""
    text = "please " * 500 + "sort these"
    assert left(text).endswith("sort these")
