"""HTTP/3 connections that stay, and datagrams of theirs with other people's source addresses.

Prints `ready` once all are connected, then answers each line of standard input, a JSON object, with a JSON line:

{"do": "ask", "first": 6}    so many connections fetch `--path`: their local ports and the body, null where that failed
{"do": "fresh", "first": 6}  so many take an ID of their server that they have not used, and use it; how many could
{"do": "forge", "connection": 0, "address": ..., "port": ..., "count": 2, "seconds": 1, "path": ..., "challenge": false}
                 sends so many valid datagrams of a connection as if they came from there, spread over the time, and none
                 from its own socket from then on: the first asks for the path, the others are PINGs, each with a
                 PATH_CHALLENGE if that is said; their octets
"""

import argparse
import asyncio
import json
import socket
import ssl
import struct
import sys
from contextlib import AsyncExitStack

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

ANSWER_SECONDS = 20
WINDOW_OCTETS = 64 << 20


class Connection(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._http: H3Connection | None = None
        self._answers: dict[int, tuple[bytearray, asyncio.Event]] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        for answer in self._http.handle_event(event) if self._http else []:
            if not isinstance(answer, DataReceived) or answer.stream_id not in self._answers:
                continue
            body, ended = self._answers[answer.stream_id]
            body.extend(answer.data)
            if answer.stream_ended:
                ended.set()

    @property
    def port(self) -> int:
        return self._transport.get_extra_info("sockname")[1]

    def request(self, path: str) -> int:
        stream = self._quic.get_next_available_stream_id()
        names = {":method": "GET", ":scheme": "https", ":authority": "quicproxy.lab", ":path": path}
        headers = [(name.encode(), value.encode()) for name, value in names.items()]
        self._http.send_headers(stream, headers, end_stream=True)
        return stream

    async def fetch(self, path: str) -> str | None:
        stream = self.request(path)
        body, ended = self._answers[stream] = bytearray(), asyncio.Event()
        self.transmit()
        try:
            await asyncio.wait_for(ended.wait(), ANSWER_SECONDS)
        except TimeoutError:
            return None
        return body.decode()

    async def take_fresh_id(self) -> bool:
        before = self._quic._peer_cid.cid
        self.change_connection_id()
        try:
            await asyncio.wait_for(self.ping(), ANSWER_SECONDS)
        except (TimeoutError, ConnectionError):
            return False
        return self._quic._peer_cid.cid != before

    def datagram_of(self, path: str | None, challenge: bool) -> bytes:
        if challenge:
            network_path = self._quic._network_paths[0]
            network_path.is_validated = network_path.local_challenge_sent = False
            # Its own limit, which is for servers (RFC 9000 section 8.1).
            network_path.bytes_received = 1 << 30
        if path is None:
            self._quic.send_ping(0)
        else:
            self.request(path)
        datagrams = self._quic.datagrams_to_send(now=self._loop.time())
        assert len(datagrams) == 1, f"{len(datagrams)} datagrams"
        return datagrams[0][0]

    def fall_silent(self) -> None:
        self.transmit = lambda: None


async def forge(connection: Connection, target: tuple[str, int], order: dict) -> int:
    connection.fall_silent()
    address, port = target
    ends = socket.inet_aton(order["address"]) + socket.inet_aton(address)
    octets = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(order["count"]):
            if number > 0:
                await asyncio.sleep(order["seconds"] / (order["count"] - 1))
            payload = connection.datagram_of(order["path"] if number == 0 else None, order["challenge"])
            octets += len(payload)
            # The kernel fills in length, identification and checksum; a UDP checksum of 0 is none.
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0) + ends
            udp = struct.pack("!4H", order["port"], port, 8 + len(payload), 0)
            raw.sendto(ip + udp + payload, (address, 0))
    return octets


async def obey(order: dict, connections: list[Connection], options: argparse.Namespace) -> object:
    if order["do"] == "forge":
        return await forge(connections[order["connection"]], (options.address, options.port), order)
    first = connections[: order["first"]]
    if order["do"] == "fresh":
        return sum(await asyncio.gather(*(one.take_fresh_id() for one in first)))
    bodies = await asyncio.gather(*(one.fetch(options.path) for one in first))
    return [{"port": one.port, "body": body} for one, body in zip(first, bodies)]


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(options.connections):
            configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE)
            configuration.max_data = configuration.max_stream_data = WINDOW_OCTETS
            opening = connect(options.address, options.port, configuration=configuration, create_protocol=Connection)
            connections.append(await stack.enter_async_context(opening))
        print("ready", flush=True)
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            print(json.dumps(await obey(json.loads(line), connections, options)), flush=True)
        # Nobody waits for the farewell of connections that fell silent.
        sys.exit(0)


asyncio.run(main())
