"""Members of a request that lbd judges, and that a provider may read otherwise: given twice, or in other letters.

Of two members of one name lbd reads the last, as most do; some providers read the first. And some (written in Go, as
Ollama is) take a name in whatever case, so that ``Model`` is ``model`` to them and nothing to lbd. What goes on are the
client's own bytes: whoever writes such a body could have a model that is not for it, an answer longer than was held
for, or a stream where lbd waits for none, which then looks like the provider's fault. So such a body is refused.

It is read a second time for that, with values skipped. Where the body has no blanks, lengths tell that there is no room
for a hidden member; where the blanks are those of Python's encoder, the members in that form are the body.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import msgspec

from lbd.shapes import edit

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_LEAST = 5  # bytes of a member beside its name: two quotes, a colon, a value of one character, a comma
_LETTER = re.compile(rb"\\u00[4-7]")  # a letter that is escaped, though nobody has to: perhaps in a name


def member(raw: bytes, judged: frozenset[str]) -> str | None:
    """Return the name of a member that may be read otherwise than lbd does, None where there is none.

    ``raw`` is a JSON object; else this raises what :data:`lbd.shapes.loose.UNREADABLE` names. ``judged``: the names,
    in lower case, of all members that lbd looks at.
    """
    members = _members(raw)
    if not judged.issuperset(members):
        for name in members:
            if name not in judged and name.casefold() in judged:
                return name
    # what is left of the body beside these members, their quotes, colons and commas, and the braces
    room = len(raw) - 1 - 4 * len(members) - sum(map(len, members)) - sum(map(len, members.values()))
    if room <= _LEAST or (room == 2 * len(members) - 1 and raw == _spaced(members)):
        return None
    return _twice(raw, judged, members, room)


def _spaced(members: Mapping[str, msgspec.Raw]) -> bytes:
    """Return these members as Python's own encoder would put them."""
    return b"{%b}" % b", ".join([b'"%b": %b' % (name.encode(), value) for name, value in members.items()])


def _twice(raw: bytes, judged: frozenset[str], members: Mapping[str, msgspec.Raw], room: int) -> str | None:
    """Return a name that stands twice, of those for which there is room."""
    names = [name for name in members if name in judged and len(name) + _LEAST <= room]
    if not any(raw.count(b'"%b"' % name.encode()) > 1 for name in names) and (not names or not _LETTER.search(raw)):
        return None
    counts = Counter(edit.names(raw))
    return next((name for name in names if counts[name] > 1), None)
