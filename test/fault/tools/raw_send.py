"""Sends IPv4 packets that no UDP socket sends: wrong checksums, first fragments alone, other people's addresses, a new source
port for each; at a pace, bounded in time; ends as well when its standard input does.
"""

import argparse
import json
import select
import socket
import struct
import sys
import time

TICK_SECONDS = 0.002
MORE_FRAGMENTS = 0x2000
FIRST_PORT, PORTS = 1024, 64000


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--size", type=int, default=1200)
    parser.add_argument("--bad-checksum", action="store_true")
    parser.add_argument("--first-fragment", action="store_true")
    parser.add_argument("--new-ports", action="store_true")
    parser.add_argument("--seconds", type=float, default=30)
    return parser.parse_args()


def packet(asked, serial):
    """The kernel fills in the checksum of the IP header. A UDP checksum of 0 is none."""
    source_port = FIRST_PORT + serial % PORTS if asked.new_ports else FIRST_PORT
    length = 8 + asked.size
    checksum = 0xDEAD if asked.bad_checksum else 0
    udp = struct.pack("!HHHH", source_port, asked.port, length + (512 if asked.first_fragment else 0), checksum)
    flags = MORE_FRAGMENTS if asked.first_fragment else 0
    addresses = socket.inet_aton(asked.source), socket.inet_aton(asked.to)
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + length, 1 + serial % 65535, flags, 64, socket.IPPROTO_UDP, 0, *addresses
    )
    return header + udp + bytes(asked.size)


asked = arguments()
if asked.first_fragment:
    # All fragments but the last carry a multiple of eight octets.
    asked.size -= asked.size % 8
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
started = time.monotonic()
sent = refused = done = 0
print("ready", flush=True)
while (elapsed := time.monotonic() - started) < asked.seconds:
    if select.select([sys.stdin], [], [], TICK_SECONDS)[0] and not sys.stdin.read(1):
        break
    while done < int(asked.rate * elapsed) and time.monotonic() - started < asked.seconds:
        try:
            sender.sendto(packet(asked, done), (asked.to, 0))
            sent += 1
        except OSError:
            refused += 1
        done += 1
        if done % 256 == 0 and select.select([sys.stdin], [], [], 0)[0]:
            break
print(json.dumps({"sent": sent, "refused": refused}), flush=True)
