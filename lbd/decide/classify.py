"""From a request to an Ask: what it means, what it needs, and by which bounds it is to be served."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from lbd.decide import names, wanted
from lbd.model.failure import Failure, FailureKind
from lbd.model.judged import NOT_JUDGED, Judged
from lbd.model.plan import Catalogue, Target, TargetKind
from lbd.model.provider import AutoSpec, ClientSpec, Deadlines, Permission, SurfaceSpec
from lbd.model.request import AfterContent, Ask, Head, Urgency, Wishes
from lbd.model.units import Ratio, Tokens

PREFIX = "x-lbd-"
# Header -> the permission a client's ``may`` must hold for it.
WISHES: dict[str, Permission] = {
    "surface": Permission.SURFACE,
    "class": Permission.CLASS,
    "max-latency-ms": Permission.MAX_LATENCY,
    "max-usd": Permission.MAX_USD,
    "quality-floor": Permission.QUALITY_FLOOR,
    "session": Permission.SESSION,
    "pin": Permission.PIN,
    "dry-run": Permission.DRY_RUN,
    "validate": Permission.VALIDATE,
    "after-content": Permission.AFTER_CONTENT,
}
NO_WISHES = Wishes()
AUTO = AutoSpec()
_NUMBERS: dict[str, tuple[Callable[[float], bool], str]] = {
    "max-latency-ms": (lambda ms: ms > 0, "above 0"),
    "max-usd": (lambda usd: usd >= 0, "of at least 0"),  # nothing: free deployments only
    "quality-floor": (lambda floor: 0 <= floor <= 1, "in 0..1"),
}
_KINDS: dict[str, type[StrEnum]] = {"class": Urgency, "after-content": AfterContent}
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def wishes(stated: Mapping[str, str], may: frozenset[Permission]) -> Wishes | Failure:
    """Read what a request asks of lbd itself; ``stated`` maps the words of ``WISHES`` to their text.

    What the client may not ask, and what cannot be read, is refused by name, never ignored.
    """
    refused = _refused(stated, may)
    if refused is not None:
        return refused
    numbers: dict[str, float] = {}
    for word, (fits, what) in _NUMBERS.items():
        if word in stated:
            value = _number(stated[word])
            if value is None or not fits(value):
                return _bad(word, f"must be a number {what}, not {stated[word][:20]!r}")
            numbers[word] = value
    dry_run = _YES_NO.get(stated.get("dry-run", "").lower())
    if dry_run is None:
        return _bad("dry-run", f"must be 1 or 0, not {stated['dry-run'][:20]!r}")
    try:
        validation = wanted.read(stated["validate"]) if "validate" in stated else None
    except ValueError as e:
        return _bad("validate", str(e))
    latency = numbers.get("max-latency-ms")
    return Wishes(
        surface=stated.get("surface"),
        urgency=Urgency(stated["class"]) if "class" in stated else None,
        max_latency_s=None if latency is None else latency / 1000,
        max_usd=numbers.get("max-usd"),
        quality_floor=numbers.get("quality-floor"),
        session=stated.get("session"),
        pin=stated.get("pin"),
        dry_run=dry_run,
        validation=validation,
        after_content=AfterContent(stated["after-content"]) if "after-content" in stated else None,
    )


def _refused(stated: Mapping[str, str], may: frozenset[Permission]) -> Failure | None:
    """Return the failure of a wish that is not known, that the client may not have, or that is none of its words."""
    for word in stated:
        permission = WISHES.get(word)
        if permission is None:
            known = ", ".join(PREFIX + w for w in WISHES)
            return _bad(word, f"is not known. Known: {known}")
        if permission not in may:
            return Failure(
                FailureKind.FORBIDDEN,
                f"this client may not set {PREFIX}{word}: its `may` in the configuration lacks {permission}",
                param=PREFIX + word,
            )
    for word, kind in _KINDS.items():
        if word in stated and stated[word] not in list(kind):
            *others, last = kind
            return _bad(word, f"must be {', '.join(others)} or {last}, not {stated[word][:20]!r}")
    return None


def _bad(word: str, text: str) -> Failure:
    return Failure(FailureKind.BAD_REQUEST, f"{PREFIX}{word} {text}", param=PREFIX + word, code="invalid_value")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def round_up(tokens: float) -> int:
    """Round a token count up to three significant binary digits (16, 20, 24, 28, 32, 40, ...).

    At most a quarter more than estimated (and 16 where that is more), so bounds err on the safe side, and like
    requests share an Ask.
    """
    n = max(16, math.ceil(tokens))
    shift = n.bit_length() - 3
    return ((n - 1 >> shift) + 1) << shift


def ask(
    head: Head,
    wish: Wishes,
    input_tokens: Tokens,
    *,
    catalogue: Catalogue,
    client: ClientSpec | None,
    surface: SurfaceSpec | None,
    deadlines: Deadlines,
    shape: str = "openai.chat",
    auto: AutoSpec = AUTO,
    judged: Judged = NOT_JUDGED,
    peak: bool = False,
    variant: str = "",
) -> Ask | Failure:
    """Return the Ask of a request, or why it cannot be served.

    ``input_tokens`` is the rounded estimate, ``surface`` the one in force (asked for, or the client's own), ``shape``
    what the client speaks, ``judged`` what its prompt is held to be, where it leaves the choice to lbd, ``variant`` the
    experiment whose treatment it gets; all else is that of the treated, too.
    """
    patterns: Sequence[str] = client.models if client is not None else ()
    pin = wish.pin or (surface.pin if surface is not None else None)
    if not names.allowed(head.model, patterns):
        asked = head.model[: names.SHOWN]
        text = f"this client may not use {asked!r}: its `models` in the configuration are {', '.join(patterns)}"
        return Failure(FailureKind.FORBIDDEN, text, param="model")
    target = names.resolve(catalogue, head.model, pin=pin, surface_aliases=surface.models if surface else ())
    if isinstance(target, Failure):
        return target
    if judged.rule is not None and target.kind is TargetKind.AUTO:
        target = catalogue.targets.get(f"rule:{judged.rule}", target)
    background = urgency(head, wish, surface) is Urgency.BACKGROUND
    total = deadlines.background_total_s if background else deadlines.interactive_total_s
    if surface is not None and surface.deadline_s is not None:
        total = surface.deadline_s
    first = total if background else min(deadlines.interactive_first_content_s, total)
    slo = surface.ttft_p95_s if surface is not None else None
    latency = wish.max_latency_s if wish.max_latency_s is not None else target.max_latency_s
    if latency is not None:
        # for streams it bounds the first content, for unary answers the whole
        slo = latency if slo is None else min(slo, latency)
        first = min(first, latency)
        total = total if head.stream else min(total, latency)
    floors = [f for f in (wish.quality_floor, surface.quality_floor if surface else None) if f is not None]
    caps = [c for c in (wish.max_usd, surface.max_usd_per_request if surface else None) if c is not None]
    return Ask(
        target=target.key,
        urgency=Urgency.BACKGROUND if background else Urgency.INTERACTIVE,
        stream=head.stream,
        input_tokens=input_tokens,
        output_tokens=None if head.max_output_tokens is None else round_up(head.max_output_tokens),
        choices=max(head.n, head.draws),
        needs=head.needs,
        surface=surface.name if surface is not None else "",
        slo_s=slo,
        first_content_s=first,
        total_s=total,
        max_usd=min(caps) if caps else None,
        quality_floor=max(floors) if floors else 0.0,
        allow=_allow(patterns, target, chosen=wish.pin is not None),
        fallback=surface.fallback if surface is not None else True,
        shape=shape,
        family=judged.family,
        excess=judged.excess,
        doubt=judged.distance,
        quality_share=share(surface, auto) if target.kind is TargetKind.AUTO else 0.0,
        peak=peak and not background,
        variant=variant,
    )


def urgency(head: Head, wish: Wishes, surface: SurfaceSpec | None) -> Urgency:
    """Return the urgency of a request: as it asks itself, else its surface's; who says nothing is waiting."""
    if wish.urgency is not None:
        return wish.urgency
    if head.service_tier == "flex":
        return Urgency.BACKGROUND
    return surface.urgency if surface is not None else Urgency.INTERACTIVE


def share(surface: SurfaceSpec | None, auto: AutoSpec) -> Ratio:
    """Return the share of the best quality that is enough for a request to auto, 0 where the best tier is wanted."""
    return auto.quality_share if surface is None or surface.quality_share is None else surface.quality_share


def _allow(patterns: Sequence[str], target: Target, *, chosen: bool) -> tuple[str, ...]:
    """Return the patterns that restrict the target's deployments: the client's, less the word auto itself.

    They restrict ``auto``, and what the client itself has ``chosen`` to pin, whose name nobody has checked yet.
    Everything else is what the operator says that an allowed name means.
    """
    if target.kind is not TargetKind.AUTO and not chosen:
        return ()
    return tuple(p for p in patterns if p != names.AUTO)
