"""Named plugins, found by walking one package.

A package that holds plugins makes a ``Registry`` in its ``__init__``; each module in it adds what it
brings under a name. ``load`` imports the modules in name order. Registries are filled at import and only
read afterwards.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from plugin name to plugin."""

    def __init__(self, what: str, package: str) -> None:
        self.what = what
        self.package = package
        self._items: dict[str, T] = {}
        self._loaded = False

    def add(self, name: str) -> Callable[[T], T]:
        """Register the decorated object under ``name``; a second one of that name is an error."""

        def register(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.what} {name!r} is registered twice")
            self._items[name] = item
            return item

        return register

    def load(self) -> Registry[T]:
        """Import every module of the package, in name order, and return the filled registry.

        The folder is walked once: every deployment of a configuration asks for registries that are full already.
        """
        if self._loaded:
            return self
        package = importlib.import_module(self.package)
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            importlib.import_module(f"{self.package}.{info.name}")
        self._loaded = True
        return self

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def __len__(self) -> int:
        return len(self._items)
