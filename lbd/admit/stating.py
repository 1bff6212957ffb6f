"""What a request states of itself, by header or in its metadata, as its client may; and the surface it is of."""

from __future__ import annotations

from collections.abc import Mapping

from lbd.decide import classify
from lbd.decide.classify import NO_WISHES, PREFIX
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.provider import ClientSpec, SurfaceSpec
from lbd.model.request import AfterContent, Head, Wishes


def wishes(stated: Mapping[str, str], head: Head, client: ClientSpec) -> Wishes:
    """Return what is wished for; a header counts before metadata. Raises LbdError for what the client may not."""
    if head.metadata is not None:
        ours = {
            k.lower().removeprefix(PREFIX): str(v) for k, v in head.metadata.items() if k.lower().startswith(PREFIX)
        }
        stated = {**ours, **stated} if ours else stated
    wish = classify.wishes(stated, client.may) if stated else NO_WISHES
    if isinstance(wish, Failure):
        raise LbdError(wish)
    return wish


def surface(surfaces: Mapping[str, SurfaceSpec], wish: Wishes, client: ClientSpec) -> SurfaceSpec:
    """Return the surface that is asked for, or the client's own. Raises LbdError where there is none of that name."""
    name = wish.surface if wish.surface is not None else client.surface or ""
    found = surfaces.get(name)
    if found is None:
        known = ", ".join(sorted(surfaces)) or "none is configured"
        text = f"no surface is called {name!r}. Known: {known}"
        raise LbdError(Failure(FailureKind.BAD_REQUEST, text, param="x-lbd-surface"))
    return found


def after_content(wish: Wishes, surface: SurfaceSpec | None) -> AfterContent:
    """Return what is to become of a stream that breaks: as the request wishes, else as its surface has it."""
    if wish.after_content is not None:
        return wish.after_content
    return AfterContent.SPLICE if surface is None else surface.after_content
