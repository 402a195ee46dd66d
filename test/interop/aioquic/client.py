"""HTTP/3 client that fetches files in one connection and saves them in a directory.

Ends with 0 when every file arrived with status 200 and all that the options demand has happened; otherwise says why.
"""

import argparse
import asyncio
import socket
import ssl
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, QuicEvent, StreamDataReceived

TIMEOUT_S = 30


class Download(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._http: H3Connection | None = None
        self._bodies: dict[int, bytearray] = {}
        self._statuses: dict[int, bytes] = {}
        self._open: set[int] = set()
        self._finished = asyncio.Event()
        self._failure: str | None = None
        self.received_bytes = 0
        self.on_data = lambda: None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if isinstance(event, ConnectionTerminated):
            self._failure = f"connection ended: {event.error_code} {event.reason_phrase}"
            self._finished.set()
        if isinstance(event, StreamDataReceived):
            self.received_bytes += len(event.data)
            self.on_data()
        for http_event in self._http.handle_event(event) if self._http else []:
            self._take(http_event)

    def _take(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            self._statuses[event.stream_id] = dict(event.headers).get(b":status", b"none")
        if isinstance(event, DataReceived):
            self._bodies[event.stream_id].extend(event.data)
        if isinstance(event, (HeadersReceived, DataReceived)) and event.stream_ended:
            self._open.discard(event.stream_id)
            if not self._open:
                self._finished.set()

    async def fetch(self, authority: str, paths: list[str], directory: Path) -> None:
        assert self._http is not None
        streams = {}
        for path in paths:
            stream = self._quic.get_next_available_stream_id()
            streams[stream] = path
            self._bodies[stream] = bytearray()
            self._open.add(stream)
            request = {":method": "GET", ":scheme": "https", ":authority": authority, ":path": f"/{path}"}
            headers = [(name.encode(), value.encode()) for name, value in request.items()]
            self._http.send_headers(stream, headers, end_stream=True)
        self.transmit()
        await self._finished.wait()
        if self._failure is not None:
            raise SystemExit(self._failure)
        for stream, path in streams.items():
            if self._statuses.get(stream) != b"200":
                raise SystemExit(f"{path}: status {self._statuses.get(stream)}")
            (directory / path).write_bytes(self._bodies[stream])

    @property
    def was_retried(self) -> bool:
        return self._quic._retry_count > 0


class Rebinding:
    """Moves a connection to another socket while data comes in: to the peer the client's address changes, the
    connection itself notices nothing, so that it keeps its Connection ID. What still comes to the old one is lost."""

    def __init__(self, client: Download, options: argparse.Namespace) -> None:
        self._client = client
        self._after_bytes = options.rebind_after
        self._local = (options.rebind_address, options.rebind_port)
        self._change_id = options.change_id
        self._task: asyncio.Task | None = None
        self._bytes_before = 0
        self._done = False
        client.on_data = self._check

    @property
    def carried_data(self) -> bool:
        return self._done and self._client.received_bytes > self._bytes_before

    def _check(self) -> None:
        if self._task is None and self._client.received_bytes >= self._after_bytes:
            self._task = asyncio.ensure_future(self._swap())

    async def _swap(self) -> None:
        if self._change_id:
            self._client.change_connection_id()
            # Its answer shows that the new ID has been on the way before the address changes.
            await self._client.ping()
        fresh = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        fresh.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        fresh.bind(self._local)
        old = self._client._transport
        # Tells the protocol of its new transport by connection_made.
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self._client, sock=fresh)
        old.abort()
        # With all acknowledged, the client would have nothing to send, and the server would not learn where it is.
        self._client._quic.send_ping(0)
        self._client.transmit()
        self._bytes_before = self._client.received_bytes
        self._done = True


async def run(options: argparse.Namespace) -> None:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE)
    async with connect(
        options.address,
        options.port,
        configuration=configuration,
        create_protocol=Download,
        local_port=options.local_port,
    ) as client:
        rebinding = None
        if options.rebind_after > 0:
            rebinding = Rebinding(client, options)
        await client.fetch(f"quicproxy.lab:{options.port}", options.paths, options.directory)
        if rebinding is not None and not rebinding.carried_data:
            raise SystemExit("no data came in after the change of address")
        if options.expect_retry and not client.was_retried:
            raise SystemExit("the server sent no Retry")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--rebind-after", type=int, default=0, help="bytes of streams after which the socket changes")
    parser.add_argument("--rebind-address", default="::", help="IPv6, or IPv4 written as ::ffff:<address>")
    parser.add_argument("--rebind-port", type=int, default=0)
    parser.add_argument("--change-id", action="store_true", help="take another ID of the server before the change")
    parser.add_argument("--local-port", type=int, default=0)
    parser.add_argument("--expect-retry", action="store_true")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("paths", nargs="+")
    await asyncio.wait_for(run(parser.parse_args()), TIMEOUT_S)


if __name__ == "__main__":
    asyncio.run(main())
