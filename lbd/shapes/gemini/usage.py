"""Token counts as Google writes them.

``candidatesTokenCount`` leaves the thoughts out, which lbd's own count of an answer holds, as OpenAI's does; what
Google's own tools read into the prompt is counted beside it. In a stream every event tells the counts so far, and not
each of them every time.
"""

from __future__ import annotations

from lbd.model.outcome import Usage
from lbd.shapes.chat.usage import count

_PROMPT, _TOOLS = "promptTokenCount", "toolUsePromptTokenCount"
_SAID, _THOUGHT, _CACHED = "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount"


class Counts:
    """The counts of one answer, as far as they were told. What is no count is not known."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def add(self, metadata: object) -> None:
        """Take ``usageMetadata``: a later word on a count replaces an earlier one, silence does not."""
        if isinstance(metadata, dict):
            for name in (_PROMPT, _TOOLS, _SAID, _THOUGHT, _CACHED):
                value = count(metadata.get(name))
                if value is not None:
                    self._told[name] = value

    def usage(self) -> Usage | None:
        """Return them in lbd's own words, None where neither prompt nor answer was counted."""
        told = self._told
        if not {_PROMPT, _SAID, _THOUGHT} & told.keys():
            return None
        prompt, thought = told.get(_PROMPT, 0) + told.get(_TOOLS, 0), told.get(_THOUGHT, 0)
        # cached is a part of the prompt: more of it than there is would make the answer's cost negative
        return Usage(prompt, told.get(_SAID, 0) + thought, min(told.get(_CACHED, 0), prompt), thought)


def usage_of(metadata: object) -> Usage | None:
    """Return the usage that a whole answer tells, None where it tells none."""
    counts = Counts()
    counts.add(metadata)
    return counts.usage()
