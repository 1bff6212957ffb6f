"""TLS: until when is the server's certificate valid?"""

from __future__ import annotations

from lbd.model.failure import LbdError
from lbd.model.outcome import ProbeResult, Verdict
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target

NAME = "tls"
EVERY_S = 3600.0  # a certificate does not change by the minute, and a handshake is not free for the server


def applies(_shape: Shape, provider: ProviderSpec) -> bool:
    """Tell whether the provider is reached over TLS directly."""
    return provider.base_url.startswith("https://") and provider.proxy is None


async def run(target: Target) -> ProbeResult | None:
    """Make a handshake and read the certificate's end."""
    began = target.now()
    try:
        end = await target.certificate_end()
    except LbdError as e:
        if e.failure.kind != "tls":
            return None  # nobody there: liveness says so
        f = e.failure
        return ProbeResult(NAME, Verdict.DOWN, target.now(), target.now() - began, f.message, f.kind)
    days = (end - target.wall()) / 86400
    took = target.now() - began
    return ProbeResult(NAME, Verdict.UP, target.now(), took, f"expires in {days:.0f} days", expires=end)


KIND = PROBES.add(NAME)(Kind(NAME, run, applies, period_s=EVERY_S))
