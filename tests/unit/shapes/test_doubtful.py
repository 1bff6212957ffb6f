"""Members of a request that a provider may read otherwise than lbd."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes import doubtful
from lbd.shapes.loose import UNREADABLE

JUDGED = frozenset({"model", "stream", "n", "max_tokens", "top_k", "messages"})
REST = '"messages":[{"role":"user","content":"hi"}]'
BLANKS = ["", " ", "\n  "]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"model":"a","model":"b",R}', "model"),
        ('{"model":"a",R,"model":"a"}', "model"),
        ('{"mode\\u006c":"a","model":"b",R}', "model"),
        ('{"model":"a","m\\u006Fdel":"b",R}', "model"),
        ('{"n":9,"model":"a","n":1,R}', "n"),
        ('{"model":"a","stream":true,"stream":false,R}', "stream"),
        ('{"model":"a","messages":[],R}', "messages"),
        ('{"model":"a","Model":"b",R}', "Model"),
        ('{"MAX_tokens":9,"model":"a","max_tokens":1,R}', "MAX_tokens"),
        ('{"model":"a","\u017ftream":true,R}', "\u017ftream"),
        ('{"model":"a","top_\u212a":1,R}', "top_\u212a"),
        ('{"model":"a","\\u004dodel":"b",R}', "Model"),
        # one reading only
        ('{"model":"a",R}', None),
        ('{"model":"a","user":"x","user":"y",R}', None),  # nothing that lbd looks at
        ('{"model":"a","model ":"b",R}', None),
        ('{"model":"a","model\\u0000":"b",R}', None),
        ('{"model":"a","tool":{"model":"b","Model":"c","model":"d"},R}', None),
        ('{"model":"say \\"model\\" \\"model\\" \\u0041","n":1,R}', None),
    ],
)
def test_a_member_that_has_two_readings_is_found(body: str, found: str | None, blank: str) -> None:
    """Twice, in other letters, or escaped; however the body is laid out."""
    raw = body.replace("R", REST).replace('":', f'":{blank}').replace(',"', f',{blank}"').encode()
    assert doubtful.member(raw, JUDGED) == found


_names = st.sampled_from([*sorted(JUDGED), "Model", "user", "a", "\u00e9", "stop"])
_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8), lambda v: st.lists(v) | st.dictionaries(_names, v)
)


@given(st.lists(st.tuples(_names, _values), max_size=9), st.sampled_from(BLANKS), st.booleans())
def test_it_finds_what_counting_finds(pairs: list[tuple[str, object]], blank: str, escaped: bool) -> None:
    """The short way, by lengths, misses nothing and accuses nobody."""
    told = [f"{json.dumps(n, ensure_ascii=escaped)}:{blank}{json.dumps(v, ensure_ascii=escaped)}" for n, v in pairs]
    raw = ("{" + f",{blank}".join(told) + "}").encode()
    counts = Counter(name for name, _ in pairs)
    expected = {n for n, c in counts.items() if (n in JUDGED and c > 1) or (n not in JUDGED and n.casefold() in JUDGED)}
    found = doubtful.member(raw, JUDGED)
    assert (found in expected) if expected else found is None


@pytest.mark.parametrize("raw", [b"[]", b"", b'{"a', b'{"\\ud800":1}', b'{"a":' + b"[" * 100_000])
def test_what_is_no_object_is_told_as_all_readers_tell_it(raw: bytes) -> None:
    """Whoever asks catches that anyhow."""
    with pytest.raises(UNREADABLE):
        doubtful.member(raw, JUDGED)
