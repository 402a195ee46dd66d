"""Sends UDP datagrams with source ports of choice, 0 among them, which no socket of the kernel would use.

Arguments: source address, destination address, destination port, payload in hexadecimal, hop limit, source ports (`7`
or `7-9`).
"""

import socket
import struct
import sys
import time

PACE_COUNT = 64
PACE_SECONDS = 0.005


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def main() -> None:
    source, destination, port, payload_hex, hops, *ranges = sys.argv[1:]
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    payload = bytes.fromhex(payload_hex)
    length = 8 + len(payload)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    pseudo = ends + (struct.pack("!I3xB", length, 17) if family == socket.AF_INET6 else struct.pack("!BBH", 0, 17, length))
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP)
    raw.bind((source, 0))
    if family == socket.AF_INET6:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(hops))
    else:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(hops))
    sent = 0
    for text in ranges:
        first, _, last = text.partition("-")
        for source_port in range(int(first), int(last or first) + 1):
            header = struct.pack("!HHH", source_port, int(port), length)
            check = checksum(pseudo + header + b"\0\0" + payload)
            raw.sendto(header + struct.pack("!H", check) + payload, (destination, 0))
            sent += 1
            if sent % PACE_COUNT == 0:
                time.sleep(PACE_SECONDS)


main()
