"""Requests signed with AWS credentials (Signature Version 4).

A signature covers the body and the time, so it is made for each request. The credentials are used as they were
configured: whoever rotates them (a role, a session token) writes them where the configuration looks, and reloads.
Source: "Create a signed AWS API request" in the IAM guide; the tests hold it against botocore's own signer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.provider import ProviderSpec
from lbd.model.units import WallTime
from lbd.ports import Endpoint

KEY_ID, KEY, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
SECRETS = (KEY_ID, KEY, TOKEN)  # the keys of the configuration that hold them
SERVICE = "bedrock"
ALGORITHM = "AWS4-HMAC-SHA256"
_REGION = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_SIGNED = frozenset({"content-type", "host"})


def sign(endpoint: Endpoint, body: bytes, wall: WallTime, provider: ProviderSpec) -> Endpoint:
    """Return the endpoint with the headers of one signed request; as it is where a key goes along instead.

    Raises LbdError where credentials or region are missing.
    """
    secrets = {name: secret.reveal() for name, secret in provider.secrets}
    if provider.api_key is not None or not secrets:
        return endpoint
    for name in (KEY_ID, KEY):
        if name not in secrets:
            raise LbdError(Failure(FailureKind.AUTH, f"provider {provider.name} cannot sign: {name} is missing"))
    region = region_of(endpoint.origin.host, provider)
    stamp = datetime.fromtimestamp(wall, UTC).strftime("%Y%m%dT%H%M%SZ")
    more = [("x-amz-date", stamp)]
    if TOKEN in secrets:
        more.append(("x-amz-security-token", secrets[TOKEN]))
    told = dict(endpoint.headers) | {"host": endpoint.origin.authority}
    fields = dict(sorted({**{n: v for n, v in told.items() if n in _SIGNED}, **dict(more)}.items()))
    names = ";".join(fields)
    path, _, query = endpoint.path.partition("?")
    canonical = "\n".join(
        [
            endpoint.method,
            quote(path, safe="/~"),  # what is quoted already is quoted again: so the service reckons
            query,
            *(f"{name}:{' '.join(value.split())}" for name, value in fields.items()),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    text = "\n".join([ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secrets[KEY].encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, text).hex()
    credential = f"{ALGORITHM} Credential={secrets[KEY_ID]}/{scope}, SignedHeaders={names}, Signature={signature}"
    headers = tuple(h for h in endpoint.headers if h[0] != "authorization")
    return replace(endpoint, headers=(*headers, *more, ("authorization", credential)), lasting=False)


def region_of(host: str, provider: ProviderSpec) -> str:
    """Return the region that a request is signed for: the one in the host's name, else the configured one."""
    found = _REGION.search(host)
    region = found[1] if found else provider.region
    if region is None:
        raise LbdError(
            Failure(FailureKind.AUTH, f"provider {provider.name} cannot sign: {host} names no region; set region")
        )
    return region


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
