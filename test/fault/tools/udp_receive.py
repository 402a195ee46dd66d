"""Sockets of one UDP port that are read as fast as datagrams come, at a pace, or never; until its standard input ends.

A pace stands for a program that needs so long for each datagram: what it costs the machine is nothing.
"""

import argparse
import ctypes
import selectors
import socket
import struct
import sys
import time

SOL_UDP, UDP_GRO = 17, 104
SO_RCVBUFFORCE, SO_ATTACH_FILTER = 33, 26
BPF_RETURN = 0x06
TICK_SECONDS = 0.005
LARGEST = 65536


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--members", type=int, default=1, help="sockets of one SO_REUSEPORT group")
    parser.add_argument("--unread", type=int, default=0, help="members that nobody reads")
    parser.add_argument("--rate", type=float, help="calls a second and member that read; default: no limit")
    parser.add_argument("--buffer", type=int, help="octets asked for with SO_RCVBUF")
    parser.add_argument("--force", action="store_true", help="SO_RCVBUFFORCE instead")
    parser.add_argument("--gro", action="store_true", help="takes several datagrams in one call (UDP_GRO)")
    parser.add_argument("--echo", action="store_true", help="sends back what comes; not together with --rate")
    parser.add_argument("--refuse", action="store_true", help="a socket filter that lets nothing pass")
    return parser.parse_args()


def refuse_all(listening):
    """struct sock_filter {code, jt, jf, k} in a struct sock_fprog."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
    listening.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program))
    )


def open_member(asked):
    family = socket.AF_INET6 if ":" in asked.bind else socket.AF_INET
    member = socket.socket(family, socket.SOCK_DGRAM)
    member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if asked.buffer:
        option = SO_RCVBUFFORCE if asked.force else socket.SO_RCVBUF
        member.setsockopt(socket.SOL_SOCKET, option, asked.buffer)
    if asked.gro:
        member.setsockopt(SOL_UDP, UDP_GRO, 1)
    if asked.refuse:
        refuse_all(member)
    member.setblocking(False)
    member.bind((asked.bind, asked.port))
    return member


def read(member, most, echo=False):
    """How many calls brought something."""
    for done in range(most):
        try:
            payload, sender = member.recvfrom(LARGEST)
            if echo:
                member.sendto(payload, sender)
        except BlockingIOError:
            return done
        except OSError:
            # A bad checksum shows as an error of a call that then waits.
            continue
    return most


def ended():
    return not sys.stdin.read(1)


def read_all(members, echo):
    with selectors.DefaultSelector() as selector:
        for each in [*members, sys.stdin]:
            selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    if ended():
                        return
                else:
                    read(key.fileobj, 64, echo)


def read_paced(members, rate):
    """Time in which there was nothing to read is not made up for: a slow program does not save it up either."""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        last = time.monotonic()
        saved = [0.0] * len(members)
        while True:
            if selector.select(TICK_SECONDS) and ended():
                return
            now = time.monotonic()
            for index, member in enumerate(members):
                saved[index] += (now - last) * rate
                most = int(saved[index])
                done = read(member, most)
                saved[index] = saved[index] - done if done == most else 0.0
            last = now


asked = arguments()
members = [open_member(asked) for _ in range(asked.members)]
print("ready", flush=True)
reading = members[asked.unread :]
if asked.rate is None:
    read_all(reading, asked.echo)
else:
    read_paced(reading, asked.rate)
