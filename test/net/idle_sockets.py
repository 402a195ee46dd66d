"""Opens UDP sockets that nobody reads, and closes them when its input ends.

Arguments: address, port, how many (SO_REUSEPORT where several), SO_RCVBUF of each or 0. Writes "ready" once they are open.
"""

import socket
import sys


def main() -> None:
    address, port, count, receive_buffer = sys.argv[1], *map(int, sys.argv[2:])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sockets = []
    for _ in range(count):
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if receive_buffer > 0:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        opened.bind((address, port))
        sockets.append(opened)
    print("ready", flush=True)
    sys.stdin.read()


main()
