"""UDP servers, one for each address, that choose Connection IDs as QUIC servers do and say who they are.

Arguments: what they speak, port, addresses. The last octets of each answer are `|` and the address of the server.

8        a long header is answered with one whose source ID is new and has 8 octets, as many as the argument says;
         a short header is answered with a short header
mirror   the same with IDs as long as the client's own
rtp      a datagram with the first bit set is answered with RTP (RFC 3550), all else with itself
A short header that ends in `flood` is answered with 200 datagrams of 1,200 octets.
"""

import os
import selectors
import socket
import struct
import sys

FLOOD_DATAGRAMS = 200
FLOOD_OCTETS = 1200


def rtp(number: int, client: tuple) -> bytes:
    stream = hash(client)
    return struct.pack("!BBHII", 0x80, 96, number & 0xFFFF, (stream * 7 + number * 960) & 0xFFFFFFFF, stream & 0xFFFFFFFF)


def answers(speaks: str, datagram: bytes, number: int, client: tuple) -> list[bytes]:
    is_long = datagram[0] & 0x80
    if speaks == "rtp":
        return [rtp(number, client) + os.urandom(150) if is_long else datagram]
    if not is_long:
        return [b"\x40".ljust(FLOOD_OCTETS, b"!")] * FLOOD_DATAGRAMS if datagram.endswith(b"flood") else [b"\x40answer"]
    own_length = datagram[5]
    client_id = datagram[7 + own_length :][: datagram[6 + own_length]]
    length = len(client_id) if speaks == "mirror" else int(speaks)
    lengths = bytes([len(client_id)]), bytes([length])
    return [datagram[:5] + lengths[0] + client_id + lengths[1] + os.urandom(length)]


def main() -> None:
    speaks, port, *addresses = sys.argv[1:]
    selector = selectors.DefaultSelector()
    for address in addresses:
        server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.bind((address, int(port)))
        selector.register(server, selectors.EVENT_READ, b"|" + address.encode())
    print("ready", flush=True)
    number = 0
    while True:
        for key, _ in selector.select():
            datagram, client = key.fileobj.recvfrom(65535)
            number += 1
            for answer in answers(speaks, datagram, number, client) if datagram else []:
                key.fileobj.sendto(answer + key.data, client)


main()
