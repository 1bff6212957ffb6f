"""Languages told apart, and the cases in which nobody can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.validation import LANGUAGES
from lbd.shapes.validate.language import LITTLE, speaks_other

TEXTS = {
    "de": "Der Antrag ist bei uns eingegangen und wird von einer Kollegin geprüft. Wenn noch etwas fehlt, melden"
    " wir uns bei Ihnen. Die Bearbeitung dauert in der Regel zwei Wochen, und Sie können den Stand auch selbst"
    " einsehen.",
    "en": "We have received your application and it is being checked by a colleague. If anything is missing we will"
    " be in touch with you. It usually takes two weeks, and you can look at the state of it yourself at any"
    " time.",
    "es": "Hemos recibido la solicitud y una compañera la está revisando. Si falta algo, nos pondremos en contacto"
    " con usted. El trámite suele durar dos semanas y también puede consultar el estado en la página de su"
    " cuenta.",
    "fr": "Nous avons bien reçu votre demande et une collègue est en train de la vérifier. Si quelque chose manque,"
    " nous vous le dirons. Le traitement dure en général deux semaines et vous pouvez suivre son état sur le"
    " site.",
    "it": "Abbiamo ricevuto la domanda e una collega la sta controllando. Se manca qualcosa la contatteremo. Di"
    " solito il lavoro dura due settimane e lo stato della pratica si può vedere anche nella pagina del suo"
    " conto.",
    "nl": "Wij hebben uw aanvraag ontvangen en een collega is bezig om die na te kijken. Als er nog iets ontbreekt,"
    " nemen we contact met u op. Het duurt meestal twee weken en u kunt de stand ook zelf bekijken op de"
    " website.",
    "pt": "Recebemos o seu pedido e uma colega está a verificar os dados. Se faltar alguma coisa, entraremos em"
    " contacto com o senhor. O processo dura em geral duas semanas e o estado também pode ser visto na página"
    " da sua conta.",
}


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_text_is_never_taken_for_another_language_than_its_own(spoken: str) -> None:
    """The one fault that would cost a good answer."""
    assert speaks_other(TEXTS[spoken], spoken) is None


@pytest.mark.parametrize(
    ("spoken", "wanted"),
    [
        (a, b)
        for a in LANGUAGES
        for b in LANGUAGES
        if a != b and {a, b} not in ({"es", "pt"}, {"es", "fr"}, {"es", "it"})
    ],
)
def test_a_clear_text_in_another_language_is_found(spoken: str, wanted: str) -> None:
    """For close languages it may abstain."""
    assert speaks_other(TEXTS[spoken], wanted) in (spoken, None)
    if {spoken, wanted} & {"de", "en"}:
        assert speaks_other(TEXTS[spoken], wanted) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OK.",
        "The answer is 42.",
        "```python\n" + "for the of and in to is that it was on with as be this by not or have\n" * 4 + "```",
        "x1 y2 z3 " * 30,
        '{"id": 5, "name": "Anna", "tags": ["a", "b"]}',
        "Anna Berta Caesar Dora Emil Friedrich Gustav Heinrich Ida Julius " * 4,
    ],
)
def test_where_nobody_can_tell_it_passes(text: str) -> None:
    """Too short, code, data, names."""
    assert all(speaks_other(text, wanted) is None for wanted in LANGUAGES)


def test_another_script_is_another_language() -> None:
    """Without a word list; a few letters of it are none."""
    assert speaks_other("\u0448\u043b\u0438 \u0434\u043e\u043c\u043e\u0439 " * 5, "de") == "another script"
    assert speaks_other("\u6211\u4eec\u5df2\u7ecf" * 12, "de") == "another script"
    assert speaks_other("Die Formel lautet \u03b1 + \u03b2 = \u03b3.", "de") is None


def test_two_languages_in_one_text_are_not_clear() -> None:
    """A German text with an English half passes for either."""
    both = TEXTS["de"] + " " + TEXTS["en"]
    assert speaks_other(both, "de") is None and speaks_other(both, "en") is None


@given(st.text(max_size=300), st.sampled_from(LANGUAGES))
def test_any_text_gets_an_answer(text: str, wanted: str) -> None:
    """And it is never the language that was wanted."""
    assert speaks_other(text, wanted) in {None, "another script", *LITTLE} - {wanted}


@given(st.sampled_from(LANGUAGES), st.data())
def test_more_little_words_of_the_wanted_language_never_turn_a_text_away(wanted: str, data: st.DataObject) -> None:
    """What passes goes on to pass."""
    words = data.draw(st.lists(st.sampled_from(sorted(LITTLE[wanted])), min_size=20, max_size=60))
    assert speaks_other(" ".join(words), wanted) is None or wanted not in LITTLE
