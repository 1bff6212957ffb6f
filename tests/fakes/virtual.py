"""Virtual time: ``lbd simulate`` runs in it as well."""

from __future__ import annotations

from lbd.simulate.clock import EPOCH, START, VirtualEnv, VirtualLoop, run

__all__ = ["EPOCH", "START", "VirtualEnv", "VirtualLoop", "run"]
