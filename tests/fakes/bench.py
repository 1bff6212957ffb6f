"""A client's connections that stand already, the loop's side of them in the test's hands."""

from __future__ import annotations

import asyncio
from typing import Any

from lbd.ports import Endpoint, Origin
from lbd.upstream.client import Client
from lbd.upstream.connection import Connection
from tests.fakes.env import FakeEnv
from tests.fakes.wire import Ear

ORIGIN = Origin("http", "h", 8000, keepalive_s=15.0)
ENDPOINT = Endpoint(ORIGIN, "POST", "/v1/chat/completions", (("authorization", "Bearer k"), ("accept", "x")))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Pipe(asyncio.Transport):
    """The loop's side of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.aborted = False
        self.reading = True
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing or self.aborted

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Bench:
    """A client, and connections of it that stand already."""

    def __init__(self) -> None:
        self.env = FakeEnv()
        self.client = Client(self.env)

    def connection(self, origin: Origin = ORIGIN) -> tuple[Connection, Pipe]:
        connection, pipe = Connection(self.client, origin), Pipe()
        connection.connection_made(pipe)
        return connection, pipe

    def idle(self, answer: bytes = OK, origin: Origin = ORIGIN) -> tuple[Connection, Pipe]:
        """Return a connection that has served a request."""
        connection, pipe = self.connection(origin)
        ear = Ear()
        connection.start(ENDPOINT, b"", ear, reused=False)
        connection.data_received(answer)
        assert ear.ended
        pipe.written = b""
        return connection, pipe
