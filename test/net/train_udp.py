"""Sends one train: a payload that the kernel or the device cuts into datagrams of equal size (UDP_SEGMENT, udp(7)).

send:   source address, destination address, destination port, octets of a segment, traffic class, payload in hexadecimal.
answer: own address, own port, octets of a segment, traffic class, payload in hexadecimal. Says `ready`, waits for one
        datagram and answers it with the train.
"""

import socket
import struct
import sys

UDP_SEGMENT = 103
WAIT_SECONDS = 20


def open_socket(address: str, port: int, traffic_class: int) -> socket.socket:
    v6 = ":" in address
    udp = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    level, option = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if v6 else (socket.IPPROTO_IP, socket.IP_TOS)
    udp.setsockopt(level, option, traffic_class)
    udp.settimeout(WAIT_SECONDS)
    udp.bind((address, port))
    return udp


def send_train(udp: socket.socket, to: tuple, segment_bytes: int, payload: bytes) -> None:
    control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", segment_bytes))]
    udp.sendmsg([payload], control, 0, to)


def main() -> None:
    mode, address, *rest = sys.argv[1:]
    if mode == "send":
        destination, port, segment_bytes, traffic_class, payload = rest
        udp = open_socket(address, 0, int(traffic_class))
        send_train(udp, (destination, int(port)), int(segment_bytes), bytes.fromhex(payload))
        return
    port, segment_bytes, traffic_class, payload = rest
    udp = open_socket(address, int(port), int(traffic_class))
    print("ready", flush=True)
    _, client = udp.recvfrom(65536)
    send_train(udp, client, int(segment_bytes), bytes.fromhex(payload))


main()
