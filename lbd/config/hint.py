"""What was probably meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

LIKENESS = 0.6  # difflib's ratio: one typing mistake in a word of three letters is still found
LONGEST = 64  # letters; what is longer is no mistyped word, and difflib would take a second over it


def meant(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` where a known word is near, else nothing. Case does not count."""
    if len(word) > LONGEST:
        return ""
    import difflib  # a good configuration never comes here

    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=LIKENESS)
    return f" (did you mean {by_lower[near[0]]}?)" if near else ""


def known(words: Iterable[str]) -> str:
    """Return `` Known: a, b``, sorted."""
    return f" Known: {', '.join(sorted(words))}"


def unknown(word: str, words: Iterable[str]) -> str:
    """Return what is near, or else everything that is known."""
    words = list(words)
    return meant(word, words) or (f".{known(words)}" if words else "")
