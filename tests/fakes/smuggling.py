"""Requests that two servers on one way might end at different places, or read as something else: a corpus.

``REFUSED`` are answered with an error and the end of the connection. ``PLAIN`` look odd and have one reading only.
Both hold what is known of attacks on gateways (RFC 9112, 11.2; the papers on request smuggling from 2005 to 2025 name
the same few families), each with the shortest bytes that show it. ``HIDDEN`` is what an attacker would smuggle.
"""

from __future__ import annotations

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def head(*fields: bytes, line: bytes = b"POST /x HTTP/1.1", host: bytes = b"Host: h") -> bytes:
    """Return a head of these lines."""
    return b"\r\n".join([line, *([host] if host else []), *fields, b"", b""])


CHUNKED = b"Transfer-Encoding: chunked"
BODY = b"3\r\nabc\r\n0\r\n\r\n"


def coded(name: bytes, body: bytes = BODY, *more: bytes) -> bytes:
    return head(name, *more) + body


def with_length(value: bytes, body: bytes = b"abc") -> bytes:
    return head(b"Content-Length:" + value) + body


REFUSED: dict[str, bytes] = {
    # two lengths
    "CL.TE": head(b"Content-Length: 6", CHUNKED) + b"0\r\n\r\nG",
    "TE.CL": head(CHUNKED, b"Content-Length: 4") + b"5c\r\n" + HIDDEN,
    "CL.TE, length 0": head(b"Content-Length: 0", CHUNKED) + BODY,
    "CL.TE, in another case": head(b"content-length: 3", b"TRANSFER-ENCODING: CHUNKED") + BODY,
    "CL, CL": head(b"Content-Length: 0", b"Content-Length: 37") + HIDDEN,
    "CL, CL, the same": head(b"Content-Length: 3", b"Content-Length: 3") + b"abc",
    "CL, TE, CL": head(b"Content-Length: 3", CHUNKED, b"Content-Length: 3") + b"abc",
    "CL list": with_length(b" 3, 3"),
    "CL list, differing": with_length(b" 3, 4"),
    "CL +": with_length(b" +3"),
    "CL -": with_length(b" -3"),
    "CL 0x": with_length(b" 0x3"),
    "CL 3.0": with_length(b" 3.0"),
    "CL 3e0": with_length(b" 3e0"),
    "CL 1_0": with_length(b" 1_0", b"0123456789"),
    "CL with a space in it": with_length(b" 1 0", b"0123456789"),
    "CL with a letter": with_length(b" 3a"),
    "CL quoted": with_length(b' "3"'),
    "CL empty": with_length(b" "),
    "CL other digits": with_length(" \uff13".encode()),
    "CL superscript": with_length(b" \xb3"),
    "CL over 64 bits": with_length(b" 18446744073709551617", b"a"),
    "CL with a semicolon": with_length(b" 3;a=b"),
    # chunks, or not
    "TE xchunked": coded(b"Transfer-Encoding: xchunked"),
    "TE chunkedx": coded(b"Transfer-Encoding: chunkedx"),
    "TE identity": coded(b"Transfer-Encoding: identity"),
    "TE identity and a length": head(b"Transfer-Encoding: identity", b"Content-Length: 3") + b"abc",
    "TE empty and a length": head(b"Transfer-Encoding: ", b"Content-Length: 3") + b"abc",
    "TE chunked, identity": coded(b"Transfer-Encoding: chunked, identity"),
    "TE identity, chunked": coded(b"Transfer-Encoding: identity, chunked"),
    "TE gzip, chunked": coded(b"Transfer-Encoding: gzip, chunked"),
    "TE chunked, chunked": coded(b"Transfer-Encoding: chunked, chunked"),
    "TE twice": coded(CHUNKED, BODY, CHUNKED),
    "TE twice, differing": coded(CHUNKED, BODY, b"Transfer-Encoding: identity"),
    "TE twice, the other way": coded(b"Transfer-Encoding: identity", BODY, CHUNKED),
    "TE with a parameter": coded(b"Transfer-Encoding: chunked;q=1"),
    "TE quoted": coded(b'Transfer-Encoding: "chunked"'),
    "TE by comma": coded(b"Transfer-Encoding: ,chunked"),
    "TE and a comma": coded(b"Transfer-Encoding: chunked,"),
    "TE space before the colon": coded(b"Transfer-Encoding : chunked"),
    "TE tab before the colon": coded(b"Transfer-Encoding\t: chunked"),
    "TE vertical tab": coded(b"Transfer-Encoding:\x0bchunked"),
    "TE form feed": coded(b"Transfer-Encoding:\x0cchunked"),
    "TE NUL": coded(b"Transfer-Encoding: chunked\0"),
    "TE NBSP": coded(b"Transfer-Encoding:\xa0chunked"),
    "TE folded": coded(b"Transfer-Encoding:\r\n chunked"),
    "TE folded behind": coded(b"X: y\r\n Transfer-Encoding: chunked"),
    "TE behind a bare CR": coded(b"X: y\rTransfer-Encoding: chunked"),
    "TE behind a bare LF": coded(b"X: y\nTransfer-Encoding: chunked"),
    "TE ends in CR CR LF": coded(b"Transfer-Encoding: chunked\r"),
    "TE in HTTP/1.0": head(CHUNKED, line=b"POST /x HTTP/1.0") + BODY,
    "TE in HTTP/1.0, kept alive": head(CHUNKED, b"Connection: keep-alive", line=b"POST /x HTTP/1.0") + BODY,
    "chunk size 0x": coded(CHUNKED, b"0x3\r\nabc\r\n0\r\n\r\n"),
    "chunk size +": coded(CHUNKED, b"+3\r\nabc\r\n0\r\n\r\n"),
    "chunk size -": coded(CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n"),
    "chunk size empty": coded(CHUNKED, b"\r\nabc\r\n0\r\n\r\n"),
    "chunk size by space": coded(CHUNKED, b" 3\r\nabc\r\n0\r\n\r\n"),
    "chunk size and space": coded(CHUNKED, b"3 \r\nabc\r\n0\r\n\r\n"),
    "chunk size and tab": coded(CHUNKED, b"3\t\r\nabc\r\n0\r\n\r\n"),
    "chunk size over 64 bits": coded(CHUNKED, b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    "chunk size with an underscore": coded(CHUNKED, b"0_3\r\nabc\r\n0\r\n\r\n"),
    "chunk ends in LF": coded(CHUNKED, b"3\nabc\n0\n\n"),
    "chunk size ends in LF": coded(CHUNKED, b"3\nabc\r\n0\r\n\r\n"),
    "chunk size ends in CR": coded(CHUNKED, b"3\rabc\r\n0\r\n\r\n"),
    "chunk ends in nothing": coded(CHUNKED, b"3\r\nabc0\r\n\r\n"),
    "chunk is longer": coded(CHUNKED, b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk ends in CR": coded(CHUNKED, b"3\r\nabc\r0\r\n\r\n"),
    "chunk extension with LF": coded(CHUNKED, b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "chunk extension with CR": coded(CHUNKED, b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    "chunk extension with NUL": coded(CHUNKED, b"3;a\0\r\nabc\r\n0\r\n\r\n"),
    "chunk extension, quoted, with LF": coded(CHUNKED, b'3;a="\n"\r\nabc\r\n0\r\n\r\n'),
    "a trailer that is a length": coded(CHUNKED, b"0\r\nContent-Length: 37\r\n\r\n"),
    "a trailer with a bare LF": coded(CHUNKED, b"0\r\nX: y\nZ: a\r\n\r\n"),
    "a folded trailer": coded(CHUNKED, b"0\r\nX: y\r\n z\r\n\r\n"),
    # fields
    "a folded field": head(b"X: y", b" z"),
    "a field folded by a tab": head(b"X: y", b"\tz"),
    "the first field is folded": head(line=b"GET /x HTTP/1.1", host=b" Host: h"),
    "space before the colon": head(b"X : y"),
    "a space in a name": head(b"X Y: z"),
    "a name without a colon": head(b"Content-Length"),
    "an empty name": head(b": y"),
    "NUL in a name": head(b"X\0: y"),
    "NUL in a value": head(b"X: a\0b"),
    "a control in a value": head(b"X: a\x01b"),
    "DEL in a value": head(b"X: a\x7fb"),
    "a bare CR in a value": head(b"X: a\rb"),
    "a bare LF in a value": head(b"X: a\nb"),
    "CR CR LF": head(b"X: a\r"),
    "bare LF after the first line": b"GET /x HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF everywhere": b"GET /x HTTP/1.1\nHost: h\n\n",
    "bare LF at the end": b"GET /x HTTP/1.1\r\nHost: h\r\n\n",
    "bare CR everywhere": b"GET /x HTTP/1.1\rHost: h\r\r",
    "brackets in a name": head(b"X[]: y"),
    "a name beyond ASCII": head(b"X\xe9: y"),
    # injection: what would be a field of its own, had anybody written it on
    "LF in a request id": head(b"X-Request-Id: a\nset-cookie: b"),
    "CR in a wish": head(b"X-LBD-Session: a\rset-cookie: b"),
    "LF in an agent": head(b"User-Agent: a\n\nHTTP/1.1 200 OK"),
    # first lines
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/0.9 in words": head(line=b"GET /x HTTP/0.9"),
    "HTTP/1.2": head(line=b"GET /x HTTP/1.2"),
    "HTTP/1.10": head(line=b"GET /x HTTP/1.10"),
    "HTTP/2.0": head(line=b"GET /x HTTP/2.0"),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1": head(line=b"GET /x HTTP/1"),
    "HTTPS/1.1": head(line=b"GET /x HTTPS/1.1"),
    "http/1.1": head(line=b"GET /x http/1.1"),
    "a space behind the version": head(line=b"GET /x HTTP/1.1 "),
    "tabs between": head(line=b"GET\t/x\tHTTP/1.1"),
    "a space in the target": head(line=b"GET /x y HTTP/1.1"),
    "NUL in the target": head(line=b"GET /x\0 HTTP/1.1"),
    "CR in the target": head(line=b"GET /x\ry HTTP/1.1"),
    "LF in the target": head(line=b"GET /x\ny HTTP/1.1"),
    "a target beyond ASCII": head(line=b"GET /\xff HTTP/1.1"),
    "no target": head(line=b"GET HTTP/1.1"),
    "an unknown method": head(line=b"SMUG /x HTTP/1.1"),
    "a method in lower case": head(line=b"get /x HTTP/1.1"),
    "a space before the method": head(line=b" GET /x HTTP/1.1"),
    "a NUL before the method": head(line=b"\0GET /x HTTP/1.1"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "SMTP": b"EHLO example\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "a proxy protocol line": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + HIDDEN,
    "proxy protocol 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
}
# What is understood as a whole, and refused for what it says: the connection may go on.
UNDERSTOOD: dict[str, bytes] = {
    "two hosts": head(b"Host: other"),
    "two credentials": head(b"Authorization: Bearer a", b"Authorization: Bearer b"),
    "no host": head(host=b"", line=b"GET /x HTTP/1.1"),
}
# What looks like more than it is: read as one request, whose body is this, before ``HIDDEN`` as the next one.
PLAIN: dict[str, tuple[bytes, bytes]] = {
    "a length with zeros before it": (with_length(b" 003"), b"abc"),
    "a length with blanks around it": (with_length(b" \t 3 \t"), b"abc"),
    "chunks by tab": (coded(b"Transfer-Encoding:\tchunked"), b"abc"),
    "CHUNKED": (coded(b"tRANSFER-eNCODING: CHUNKED"), b"abc"),
    "Transfer_Encoding": (head(b"Transfer_Encoding: chunked", b"Content-Length: 3") + b"abc", b"abc"),
    "Content_Length": (head(b"Content_Length: 37", b"Content-Length: 3") + b"abc", b"abc"),
    "X-Content-Length": (head(b"X-Content-Length: 37", b"Content-Length: 3") + b"abc", b"abc"),
    "a length that is named as hop by hop": (
        head(b"Connection: content-length", b"Content-Length: 3") + b"abc",
        b"abc",
    ),
    "a chunk extension": (coded(CHUNKED, b"3;a=b\r\nabc\r\n0\r\n\r\n"), b"abc"),
    "a quoted chunk extension": (coded(CHUNKED, b'3;a="b;c"\r\nabc\r\n0;x\r\n\r\n'), b"abc"),
    "chunk sizes in both cases, with zeros": (coded(CHUNKED, b"0000A\r\n0123456789\r\n0\r\n\r\n"), b"0123456789"),
    "a trailer": (coded(CHUNKED, b"3\r\nabc\r\n0\r\nX-LBD-Class: background\r\n\r\n"), b"abc"),
    "a body of GET": (head(b"Content-Length: 3", line=b"GET /x HTTP/1.1") + b"abc", b"abc"),
    "empty lines before it": (b"\r\n\r\n" + head(b"Content-Length: 3") + b"abc", b"abc"),
    "a body that looks like a request": (head(b"Content-Length: %d" % len(HIDDEN)) + HIDDEN, HIDDEN),
    "an absolute target": (head(b"Content-Length: 3", line=b"POST http://other/x HTTP/1.1") + b"abc", b"abc"),
    "a method override": (head(b"X-HTTP-Method-Override: DELETE", b"Content-Length: 3") + b"abc", b"abc"),
}
