"""Other gateways' configurations, turned into ours: one module for each of them. Nothing here reads or writes files.

An adapter gets the source with the places of its parts, and a draft to fill: what it understands becomes providers,
deployments, rules and clients there, and what has no counterpart a note that says where it stands and what to do. It
never copies a secret: the draft gives a reference in its place. What an adapter makes has to pass ``lbd check``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lbd.adapt.draft import Choices, Draft, Result
from lbd.adapt.source import Source, read
from lbd.registry import Registry

Adapter = Callable[[Source, Draft], None]

ADAPTERS: Registry[Adapter] = Registry("source", __name__)


def adapt(text: str, file: str, of: str, choices: Choices, environ: Mapping[str, str]) -> Result:
    """Return what ``text`` is in our words. Raises SourceError where it cannot be read.

    ``file``: what notes call the source; ``of``: the gateway it is of; ``environ``: where addresses are looked up that
    the source leaves to the environment. Keys are not.
    """
    source = read(text, file)
    draft = Draft(source, choices, environ)
    ADAPTERS.load()[of](source, draft)
    return draft.finish()
