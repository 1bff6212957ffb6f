"""A configuration of ours while it is being made from another: providers, rules and clients are added, notes kept."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from lbd.adapt import houses
from lbd.adapt.source import Source
from lbd.adapt.words import REFERENCE, free, references, slug, variable
from lbd.config.tree import Path_, dotted
from lbd.decide.names import AUTO
from lbd.model.problem import Place
from lbd.shapes.bridge import wires
from lbd.shapes.providers import PROVIDERS

Level = Literal["changed", "secret", "todo", "lost"]
NOT_AUTO = "auto-model"  # what is called auto there, which is lbd's own choice here
TIERS = ("primary", "secondary", "tertiary")
_SECRET_WORD = re.compile(r"key|token|secret|auth|cookie|password|credential", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"\b(?:sk|pk|rk|xai|gsk|hf|ghp|AIza|eyJ|AKIA|Bearer|Basic)[-_ A-Za-z0-9]{12,}")
_URL = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?(/[!-~]*)?\Z", re.IGNORECASE)
_USER = re.compile(r"//[^/@]*@")


class Note(NamedTuple):
    """Something that a person should know of: where it stands in the source, what it is, and what to do.

    ``level``: changed, it means nearly the same here; secret, a key was left behind; todo, something is to be filled
    in; lost, it has no counterpart.
    """

    place: Place
    path: str
    level: Level
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.level}: {self.path + ': ' if self.path else ''}{self.reason}" + (
            f". {self.remedy}" if self.remedy else ""
        )


class Choices(NamedTuple):
    """What only a person can say: models that a source leaves open, and whose a name in it is."""

    models: tuple[str, ...] = ()
    providers: Mapping[str, str] = {}


class Result(NamedTuple):
    """A configuration, the notes on it, and the environment variables that it reads."""

    config: dict[str, Any]
    notes: tuple[Note, ...]
    environment: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Tell whether there is anything to run."""
        return bool(self.config.get("providers"))


class Draft:
    """What has been made so far."""

    def __init__(self, source: Source, choices: Choices = Choices(), environ: Mapping[str, str] | None = None) -> None:  # noqa: B008  frozen
        self._source = source
        self._environ = environ or {}
        self._shapes = PROVIDERS.load()
        self.choices = choices
        self.notes: list[Note] = []
        self.providers: dict[tuple[str, ...], dict[str, Any]] = {}
        self.rules: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.clients: list[dict[str, Any]] = []
        self.more: dict[str, Any] = {}  # further keys of the configuration
        self.under: Path_ = ()  # where in the source the paths of notes begin
        self._ruled: dict[str, Path_] = {}  # a rule's name -> where it stands
        self._referred = references(source.value)  # variables that the source itself speaks of
        self._named: dict[str, str] = {}  # inline secret -> the variable that takes its place
        self._read: dict[str, None] = {}  # variables that the configuration reads, in order

    # --- notes ---------------------------------------------------------------------------------------

    def note(self, level: Level, path: Path_, reason: str, remedy: str = "") -> None:
        """Keep a note."""
        path = (*self.under, *path)
        note = Note(self._source.place(path), dotted(path), level, reason, remedy)
        if note not in self.notes:  # a key of many models is looked at for each of them
            self.notes.append(note)

    def once(self, level: Level, path: Path_, reason: str, remedy: str = "") -> None:
        """Keep a note that need not be told again of other places."""
        if not any(n.reason == reason for n in self.notes):
            self.note(level, path, reason, remedy)

    def lost(self, path: Path_, reason: str, remedy: str = "") -> None:
        """Note what has no counterpart."""
        self.note("lost", path, reason, remedy)

    # --- values --------------------------------------------------------------------------------------

    def secret(self, value: object, path: Path_, usual: str) -> dict[str, str]:
        """Return a reference in place of a secret: the source's own, or ``usual``, the variable that it is put into."""
        if isinstance(value, str) and (found := REFERENCE.match(value.strip())) is not None:
            return self._env(found[1])
        if not isinstance(value, str) or not value.strip():
            return self._env(free(usual, self._named.values(), "_"))
        if value not in self._named:
            taken = {*self._named.values(), *self._referred, *self._read}
            self._named[value] = free(variable(usual), taken, "_")
        name = self._named[value]
        self.note("secret", path, f"a secret stands here in plain text, and was not copied: {name} takes its place",
                  f"Put it into the environment as {name}, or write {{file: ...}} or {{credential: ...}}")  # fmt: skip
        return self._env(name)

    def _env(self, name: str) -> dict[str, str]:
        self._read[name] = None
        return {"env": name}

    def plain(self, value: object, path: Path_, what: str) -> str | None:
        """Return a text that is no secret, followed where the environment has it; None where there is none."""
        if not isinstance(value, str) or not value.strip():
            return None
        value = value.strip()
        found = REFERENCE.match(value)
        if found is None:
            return value
        if (set_to := self._environ.get(found[1], "").strip()) and not _SECRET_TEXT.search(set_to):
            return set_to
        self.once("todo", path, f"{what} is in the environment as {found[1]}, which is not set here",
                  "Write it where the configuration says set-..., or set the variable and convert again")  # fmt: skip
        return f"set-{slug(found[1]).replace('_', '-')}"

    def url(self, value: object, path: Path_) -> str | None:
        """Return an address without a user or a query, None where there is none."""
        text = self.plain(value, path, "the address")
        if text is None:
            return None
        if text.startswith("set-"):
            return f"https://{text}.invalid"
        if "://" not in text:
            text = f"https://{text}"
        bare = _USER.sub("//", text).partition("?")[0].partition("#")[0]
        if bare != text:
            self.note("secret", path, "a user or a query in an address was left out", "Give a key by api_key")
        if _URL.match(bare) is None:
            self.lost(path, "no address that can be asked", "Write one, as http(s)://host:port/path")
            return None
        return bare

    def headers(self, given: object, path: Path_) -> dict[str, str]:
        """Return the headers that hold no secret."""
        out: dict[str, str] = {}
        for name, value in (given if isinstance(given, dict) else {}).items():
            text = str(value)
            if _SECRET_WORD.search(name) or _SECRET_TEXT.search(text) or REFERENCE.match(text):
                self.note("secret", (*path, name), "a header that carries a secret, or a reference, was left out",
                          "Keys go by api_key; headers of ours hold plain texts only")  # fmt: skip
            else:
                out[name] = text
        return out

    def expanded(self, pattern: str) -> list[str]:
        """Return the models that a person named and the pattern means."""
        return [m for m in self.choices.models if fnmatchcase(m, pattern)]

    # --- what is offered -----------------------------------------------------------------------------

    def provider(
        self,
        name: str,
        shape: str,
        base_url: str,
        *,
        key: Mapping[str, str] | None,
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the account at an address, a new one where there is none yet with this key and these settings."""
        more = {k: v for k, v in (more or {}).items() if v not in (None, {}, [])}
        identity = (shape, base_url, repr(key), repr(sorted(more.items(), key=str)))
        if identity not in self.providers:
            taken = {str(p["name"]) for p in self.providers.values()}
            made: dict[str, Any] = {"name": free(slug(name), taken, "-"), "shape": shape, "base_url": base_url}
            if key is not None:
                made["api_key"] = dict(key)
            self.providers[identity] = {**made, **more, "deployments": []}
        return self.providers[identity]

    def deploy(
        self, provider: dict[str, Any], model: str, upstream: str, path: Path_, **more: Any
    ) -> dict[str, Any] | None:
        """Add a deployment; None, with a note, where its shape cannot serve what it is for."""
        if not model.strip() or not model.isprintable():
            self.lost(path, f"a model needs a name, and {model!r} is none: it is left out")
            return None
        if model == AUTO:
            self.note("changed", path, f"a model cannot be called {AUTO}, which is lbd's own choice; it is auto-model")
            model = NOT_AUTO
        more = {k: v for k, v in more.items() if v not in (None, [], {})}
        if not 0 <= more.get("weight", 1) < math.inf:
            self.lost(path, f"a weight of {more.pop('weight')} is none: its share is that of the others")
        if provider["shape"] in ("vertex", "vertex-anthropic"):
            publisher, upstream = houses.published(upstream)
            if publisher not in ("google", "anthropic"):
                self.lost(path, f"of Vertex AI's models lbd serves Google's and Anthropic's: {model} is left out")
                return None
        shape = self._shapes[provider["shape"]]
        serves = frozenset(more.get("serves", ("chat",)))
        missing = serves - {wire.serves for wire in wires(shape, upstream, serves).values()}
        if missing:
            self.lost(path, f"shape {shape.name} has no way to serve {', '.join(sorted(missing))}: {model} is left out")
            return None
        rows: list[dict[str, Any]] = provider["deployments"]
        taken = {row.get("name") or slug(row["model"]) for row in rows}
        made: dict[str, Any] = {"model": model}
        if slug(model) in taken:
            made["name"] = free(slug(model if upstream == model else f"{model}-{upstream}"), taken, "-")
        if upstream != model:
            made["upstream_model"] = upstream
        rows.append({**made, **more})
        return rows[-1]

    def rule(self, name: str, made: dict[str, Any], path: Path_) -> None:
        """Add a rule, under the first form of its name that is free; ``path`` is what it was made of."""
        name = free(name, self.rules, "-")
        self.rules[name] = made
        self._ruled[name] = path

    @property
    def models(self) -> set[str]:
        """Return the names of all models that are offered."""
        return {row["model"] for p in self.providers.values() for row in p["deployments"]}

    def rows(self, model: str) -> list[dict[str, Any]]:
        """Return the deployments of a model."""
        return [row for p in self.providers.values() for row in p["deployments"] if row["model"] == model]

    def tier(self, number: int) -> str:
        """Return the name of the level of a number, 0 for the best; more than the usual three are added."""
        if number >= len(TIERS):
            names = [*TIERS, *(f"level-{n}" for n in range(len(TIERS) + 1, number + 2))]
            if len(names) > len(self.more.get("tiers", [])):
                targets = [1.5, 3, *(10 * (n + 1) for n in range(len(names) - 2))]
                self.more["tiers"] = [{"name": n, "ttft_p95_s": t} for n, t in zip(names, targets, strict=True)]
            return names[number]
        return TIERS[number]

    # --- the end -------------------------------------------------------------------------------------

    def finish(self) -> Result:
        """Return what was made, without what nobody offers."""
        providers = [p for p in self.providers.values() if p["deployments"]]
        models = self.models
        rules: dict[str, Any] = {}
        for name, rule in self.rules.items():
            given = [rule["primary"], *rule.get("fallback", ())]
            named = list(dict.fromkeys(NOT_AUTO if m == AUTO else m for m in given))
            groups = [m for m in named if m in models]
            path = self._ruled.get(name, ())
            missing = ", ".join(m for m in named if m not in models)
            again = f"Where it is to be, convert again with --model {missing.partition(',')[0]}, or offer it"
            if not groups:
                self.lost(path, f"rule {name}: none of its models is offered ({missing}); it is left out", again)
                continue
            if missing:
                self.lost(path, f"rule {name}: {missing} is not offered, and is left out of it", again)
            rest = {k: v for k, v in rule.items() if k not in ("primary", "fallback")}
            if not name.strip() or not name.isprintable():
                self.lost(path, f"a rule needs a name, and {name!r} is none: it is left out")
                continue
            rules[NOT_AUTO if name == AUTO else name] = {
                "primary": groups[0],
                **({"fallback": groups[1:]} if groups[1:] else {}),
                **rest,
            }
        known = {AUTO, *models, *rules}
        for name, meaning in self.aliases.items():
            if meaning not in known:
                self.lost((), f"the name {name!r} means {meaning!r}, which nobody offers; it is left out")
        aliases = {name: meaning for name, meaning in self.aliases.items() if meaning in known}
        unpriced = sum(
            "price" not in row and not self._shapes[p["shape"]].self_hosted
            for p in providers
            for row in p["deployments"]
        )
        if unpriced:
            self.note("todo", (), f"{unpriced} deployments have no price: what they cost is not known",
                      "Give each a `price`; until then no savings are told; who has a budget is refused")  # fmt: skip
        if not providers:
            self.note("lost", (), "nothing that lbd could send requests to was found")
        parts = {"providers": providers, "clients": self.clients, "routing_rules": rules, "models": aliases}
        config = {key: value for key, value in parts.items() if value or key == "providers"}
        return Result({**config, **self.more}, tuple(self.notes), tuple(self._read))
