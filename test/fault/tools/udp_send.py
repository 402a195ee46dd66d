"""Sends UDP datagrams at a pace, bounded in number and time; ends as well when its standard input does.

Prints what it sent and what the kernel refused, as JSON.
"""

import argparse
import json
import os
import select
import socket
import sys
import time

SOL_UDP, UDP_SEGMENT = 17, 103
TICK_SECONDS = 0.002
# After a pause that the machine made, what is late is left out: it would come as a burst that nobody asked for.
MOST_LATE_SECONDS = 0.02


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=1000, help="datagrams a second")
    parser.add_argument("--burst", type=int, help="so many at once, and nothing in between; the mean stays --rate")
    parser.add_argument("--size", type=int, default=1200, help="octets of a datagram")
    parser.add_argument("--sources", type=int, default=1, help="ports that take turns")
    parser.add_argument("--train", type=int, default=1, help="datagrams that one call sends (UDP_SEGMENT)")
    parser.add_argument("--cpu", type=int, help="the only one it runs on")
    parser.add_argument("--seconds", type=float, default=30)
    return parser.parse_args()


def open_sockets(asked):
    family = socket.AF_INET6 if ":" in asked.to else socket.AF_INET
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(asked.sources)]
    for each in sockets:
        each.setblocking(False)
        if asked.train > 1:
            each.setsockopt(SOL_UDP, UDP_SEGMENT, asked.size)
    return sockets


class Sender:
    def __init__(self, asked):
        self.asked = asked
        self.sockets = open_sockets(asked)
        self.payload = bytes(asked.size * asked.train)
        self.calls = 0
        self.sent = 0
        self.refused = 0

    def send(self, datagrams):
        for _ in range(max(1, datagrams // self.asked.train)):
            self.calls += 1
            try:
                self.sockets[self.calls % len(self.sockets)].sendto(self.payload, (self.asked.to, self.asked.port))
                self.sent += self.asked.train
            except OSError:
                self.refused += self.asked.train

    @property
    def total(self):
        return self.sent + self.refused


def run(asked, sender):
    at_once = asked.burst or asked.train
    started = time.monotonic()
    done = 0.0
    print("ready", flush=True)
    while (elapsed := time.monotonic() - started) < asked.seconds:
        if select.select([sys.stdin], [], [], TICK_SECONDS)[0] and not sys.stdin.read(1):
            return
        due = asked.rate * elapsed - done
        if asked.burst is None and due > asked.rate * MOST_LATE_SECONDS + at_once:
            done += due - asked.rate * MOST_LATE_SECONDS
            due = asked.rate * MOST_LATE_SECONDS
        if due >= at_once:
            before = sender.total
            sender.send(at_once if asked.burst else int(due))
            done += sender.total - before


asked = arguments()
if asked.cpu is not None:
    os.sched_setaffinity(0, {asked.cpu})
sender = Sender(asked)
run(asked, sender)
print(json.dumps({"sent": sender.sent, "refused": sender.refused}), flush=True)
