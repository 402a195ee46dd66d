"""Opens flows of a QUIC proxy one after the other, each confirmed: its server echoes a long header, so that the client's own ID
is taken for the server's, and the client goes on with it. Then strangers come, one new port for each datagram, at a pace;
until standard input ends.
"""

import argparse
import json
import resource
import select
import socket
import struct
import sys
import time

VERSION = 1
ANSWER_SECONDS = 5
STRANGERS = 256


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--flows", type=int, required=True)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    return parser.parse_args()


def identifier(serial):
    return struct.pack("!Q", 0x5EED000000000000 + serial)


def long_header(serial):
    """RFC 8999 section 5.1."""
    connection = identifier(serial)
    return struct.pack("!BI", 0xC3, VERSION) + 2 * (bytes([len(connection)]) + connection) + bytes(20)


def short_header(serial):
    """RFC 8999 section 5.2."""
    return bytes([0x40]) + identifier(serial) + bytes(20)


def confirmed(asked, serial):
    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.settimeout(ANSWER_SECONDS)
    flow.connect((asked.to, asked.port))
    for datagram in (long_header(serial), short_header(serial)):
        flow.send(datagram)
        flow.recv(2048)
    return flow


def come_and_go(asked, first_serial):
    started = time.monotonic()
    sent = 0
    open_ones = []
    while time.monotonic() - started < asked.seconds:
        if select.select([sys.stdin], [], [], 0.002)[0] and not sys.stdin.read(1):
            break
        while sent < asked.rate * (time.monotonic() - started):
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stranger.sendto(long_header(first_serial + sent), (asked.to, asked.port))
            open_ones.append(stranger)
            sent += 1
            # A port that is closed at once would soon be taken again.
            if len(open_ones) > STRANGERS:
                open_ones.pop(0).close()
    return sent


asked = arguments()
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
flows = [confirmed(asked, serial) for serial in range(asked.flows)]
print("ready", flush=True)
print(json.dumps({"sent": come_and_go(asked, asked.flows), "refused": 0}), flush=True)
