"""Messages of AWS's event stream, as its services write them."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any


def message(event: str, payload: dict[str, Any], *, kind: str = "event") -> bytes:
    """Return one message: prelude with its checksum, headers, payload, checksum."""
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in (
            (f":{kind}-type", event),
            (":content-type", "application/json"),
            (":message-type", kind),
        )
    )
    data = json.dumps(payload, ensure_ascii=False).encode()
    prelude = struct.pack("!II", 12 + len(headers) + len(data) + 4, len(headers))
    start = prelude + struct.pack("!I", zlib.crc32(prelude))
    whole = start + headers + data
    return whole + struct.pack("!I", zlib.crc32(whole))
