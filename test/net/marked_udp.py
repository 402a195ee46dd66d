"""Sends one UDP datagram with a traffic class of choice, or answers one, and prints what the IP header of the received one
said: {"trafficClass": 3, "hopLimit": 62, "dontFragment": true}; the last is null for IPv6, where nobody may fragment.

Arguments: `ask` or `answer`, own address, port of the service, traffic class, and for `ask` the service's address.
"""

import json
import socket
import struct
import sys

LIMIT_SECONDS = 20
DONT_FRAGMENT = 0x4000


def header_of(v6: bool, sock: socket.socket, raw: socket.socket, port: int) -> tuple[dict, bytes, tuple]:
    payload, ancillary, _, sender = sock.recvmsg(2048, 512)
    fields = {kind: int.from_bytes(value, "little") for _, kind, value in ancillary}
    if v6:
        seen = {"trafficClass": fields[socket.IPV6_TCLASS], "hopLimit": fields[socket.IPV6_HOPLIMIT], "dontFragment": None}
        return seen, payload, sender
    while True:
        packet = raw.recv(2048)
        header_bytes = (packet[0] & 15) * 4
        if struct.unpack_from("!H", packet, header_bytes + 2)[0] != port:
            continue
        fragment = struct.unpack_from("!H", packet, 6)[0]
        seen = {"trafficClass": packet[1], "hopLimit": packet[8], "dontFragment": bool(fragment & DONT_FRAGMENT)}
        return seen, payload, sender


def main() -> None:
    role, own, port, traffic_class, *service = sys.argv[1:]
    v6 = ":" in own
    family, level = (socket.AF_INET6, socket.IPPROTO_IPV6) if v6 else (socket.AF_INET, socket.IPPROTO_IP)
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_UDP)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    for each in (raw, sock):
        each.settimeout(LIMIT_SECONDS)
    sock.setsockopt(level, socket.IPV6_TCLASS if v6 else socket.IP_TOS, int(traffic_class))
    if v6:
        sock.setsockopt(level, socket.IPV6_RECVTCLASS, 1)
        sock.setsockopt(level, socket.IPV6_RECVHOPLIMIT, 1)
    sock.bind((own, int(port) if role == "answer" else 0))
    print("ready", flush=True)
    if role == "ask":
        sock.sendto(bytes.fromhex("40") + b"marked datagram", (service[0], int(port)))
    seen, payload, sender = header_of(v6, sock, raw, sock.getsockname()[1])
    if role == "answer":
        sock.sendto(payload, sender)
    print(json.dumps(seen), flush=True)


main()
