"""Whether a request is signed as Amazon wants it, by botocore's own signer."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI-K7MDENG", "eu-central-1"
SKEW_S = 300.0  # what Amazon allows clocks to differ
_TOLD = re.compile(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")
_AUTH = SigV4Auth(Credentials(KEY_ID, SECRET), "bedrock", REGION)


def wrong(top: bytes, body: bytes) -> str | None:
    """Return what is wrong with a request's signature, None where it is right. ``top``: its head as it came."""
    first, *lines = top.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    found = _TOLD.fullmatch(headers.get("authorization", ""))
    stamp = headers.get("x-amz-date", "")
    if found is None or not stamp:
        return "the request is not signed"
    credential, names, signature = found.groups()
    if not {"host", "x-amz-date"} <= set(names.split(";")):
        return f"what must be signed is not: {names}"
    if abs(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() - time.time()) > SKEW_S:
        return f"signature expired: {stamp}"
    if credential != f"{KEY_ID}/{stamp[:8]}/{REGION}/bedrock/aws4_request":
        return f"signed for {credential}"
    told = {name: headers[name] for name in names.split(";")}
    request = AWSRequest(method=method, url=f"http://{headers['host']}{path}", data=body, headers=told)
    request.context["timestamp"] = stamp
    right = _AUTH.signature(_AUTH.string_to_sign(request, _AUTH.canonical_request(request)), request)
    return None if signature == right else "the signature does not match"
