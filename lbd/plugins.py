"""Every registry, filled, and a configuration read against them.

Light to import: ``lbd check`` and ``lbd schema`` need nothing of the daemon.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from lbd.config.compile import compile_config
from lbd.config.compiled import Compiled
from lbd.config.load import load as load_config
from lbd.decide.terms import TERMS, Term
from lbd.registry import Registry
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.providers import PROVIDERS, Shape
from probes import PROBES, Kind


class Plugins(msgspec.Struct, frozen=True):
    """What is registered."""

    shapes: Registry[Shape]
    clients: Registry[ClientShape]
    terms: Registry[Term]
    probes: Registry[Kind]


def load() -> Plugins:
    """Import every plugin."""
    return Plugins(PROVIDERS.load(), CLIENTS.load(), TERMS.load(), PROBES.load())


def read_config(path: Path, *, follow: bool = True) -> Compiled:
    """Read, check and resolve a configuration. Raises ConfigError.

    ``follow`` False: it is not to be run, so its secrets and certificates need not be there.
    """
    shapes, terms, probes = PROVIDERS.load(), TERMS.load(), PROBES.load()  # all that a configuration can name
    config, tree = load_config(path, {name: shape.config for name, shape in shapes.items()})
    return compile_config(config, tree, shapes=shapes, terms=set(terms), probes=set(probes), follow=follow)
