"""Where an answer came from, as one line that can be signed: for what is pinned to one model.

The line is JSON with sorted keys and no blanks, the signature HMAC-SHA256 over exactly those bytes, so that
``printf %s "$line" | openssl dgst -sha256 -hmac "$key"`` checks it.
"""

from __future__ import annotations

import hashlib
import hmac

import orjson

from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.record import RequestRecord
from lbd.model.secret import Secret


def line(record: RequestRecord, spec: DeploymentSpec, provider: ProviderSpec) -> str:
    """Return the line of a request that ``spec`` answered."""
    served = next(a for a in reversed(record.attempts) if a.decision.chosen == spec.id)
    told = {
        "request_id": record.id,
        "time": round(record.time, 3),
        "client": record.client,
        "surface": record.surface,
        "asked": record.asked,
        "target": record.target,
        "outcome": record.outcome,
        "deployment": spec.id,
        "base_url": provider.base_url,
        "model": spec.model,
        "upstream_model": spec.upstream_model,
        "fingerprint": served.fingerprint,
        "upstream_request_id": served.upstream_id,
        "prompt": served.prompt,
    }
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


def signature(text: str, key: Secret) -> str:
    """Return the signature of a line, in hexadecimal."""
    return hmac.new(key.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
