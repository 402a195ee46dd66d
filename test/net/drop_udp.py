"""Sends and refuses UDP datagrams in the ways in which a kernel can drop them.

listen: address, port, words. Prints `ready` and its cookie, and keeps the socket until its input ends. Words: `small` (the
        smallest receive buffer), `filter` (takes no datagram), `gro` (takes merged datagrams as one), `read` (reads all that
        comes, and prints how much before it ends).
send:   address, port, count, words. Words: `train` (each send is ten datagrams, UDP_SEGMENT), `corrupt` (a wrong checksum),
        `from=ADDRESS`, `options` (behind an IPv4 header with options), `fragments` (first fragments whose rest never comes,
        and last ones), `fast` (as fast as the kernel takes them, again and again until its input ends).
"""

import ctypes
import select
import socket
import struct
import sys

UDP_SEGMENT = 103
UDP_GRO = 104
SO_ATTACH_FILTER = 26
SO_COOKIE = 57
TRAIN_DATAGRAMS = 10
SEGMENT_BYTES = 100
BATCH = 512
CORRUPT_CHECKSUM = 0xDEAD
MORE_FRAGMENTS = 0x2000
NO_OPERATION = b"\x01"


def udp_socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def refuse_all(udp: socket.socket) -> None:
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
    udp.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("=HxxxxxxQ", 1, ctypes.addressof(program)))


def listen(address: str, port: str, *words: str) -> None:
    udp = udp_socket(address)
    if "small" in words:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    if "gro" in words:
        udp.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    if "filter" in words:
        refuse_all(udp)
    udp.bind((address, int(port)))
    (cookie,) = struct.unpack("=Q", udp.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
    print("ready", cookie, flush=True)
    waiting = [sys.stdin, udp] if "read" in words else [sys.stdin]
    received = 0
    while True:
        ready, _, _ = select.select(waiting, [], [])
        if udp in ready:
            try:
                udp.recv(65536, socket.MSG_DONTWAIT)
                received += 1
            except BlockingIOError:
                pass
        elif sys.stdin in ready:
            break
    print("received", received, flush=True)


class MessageHeader(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Message(ctypes.Structure):
    _fields_ = [("header", MessageHeader), ("length", ctypes.c_uint32)]


def send_fast(udp: socket.socket) -> None:
    """Many datagrams a call: an interpreter alone would be too slow for a storm."""
    libc = ctypes.CDLL(None)
    messages = (Message * BATCH)()
    payload = ctypes.create_string_buffer(b"x")
    vector = struct.pack("=QQ", ctypes.addressof(payload), 1)
    vectors = ctypes.create_string_buffer(vector)
    for message in messages:
        message.header.vectors = ctypes.addressof(vectors)
        message.header.vector_count = 1
    while not select.select([sys.stdin], [], [], 0)[0]:
        for _ in range(20):
            libc.sendmmsg(udp.fileno(), messages, BATCH, 0)


def send_corrupt(source: str, address: str, port: int, count: int) -> None:
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    raw.bind((source, 0))
    datagram = struct.pack("!HHHH", 40000, port, 12, CORRUPT_CHECKSUM) + b"drop"
    for _ in range(count):
        raw.sendto(datagram, (address, 0))


def send_fragments(address: str, port: int, count: int) -> None:
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    udp = struct.pack("!HHHH", 40000, port, 48, 0) + b"x" * 24
    for identifier in range(1, 2 * count + 1):
        offset = MORE_FRAGMENTS if identifier <= count else len(udp) // 8
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), identifier, offset, 64, socket.IPPROTO_UDP, 0)
        raw.sendto(header + socket.inet_aton("0.0.0.0") + socket.inet_aton(address) + udp, (address, 0))


def send(address: str, port: str, count: str, *words: str) -> None:
    source = next((word.removeprefix("from=") for word in words if word.startswith("from=")), "")
    if "corrupt" in words:
        send_corrupt(source, address, int(port), int(count))
        return
    if "fragments" in words:
        send_fragments(address, int(port), int(count))
        return
    udp = udp_socket(address)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    if "options" in words:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, NO_OPERATION * 4)
    udp.bind((source, 0))
    if "fast" in words:
        udp.connect((address, int(port)))
        send_fast(udp)
        return
    payload = b"x" * (TRAIN_DATAGRAMS * SEGMENT_BYTES if "train" in words else SEGMENT_BYTES)
    control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", SEGMENT_BYTES))] if "train" in words else []
    for _ in range(int(count)):
        try:
            udp.sendmsg([payload], control, 0, (address, int(port)))
        except (ConnectionRefusedError, BlockingIOError, OSError):
            pass


{"listen": listen, "send": send}[sys.argv[1]](*sys.argv[2:])
