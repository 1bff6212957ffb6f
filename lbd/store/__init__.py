"""State backends, one a file. A store is made from its URL; ``STORES`` maps the URL's scheme to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lbd.ports import Store
from lbd.registry import Registry

Make: TypeAlias = Callable[[str], Store]
STORES: Registry[Make] = Registry("store", __name__)
