"""Reads a UDP socket at a pace, until its input ends.

Arguments: port, milliseconds from one datagram to the next (0: as fast as it can), SO_RCVBUF or 0. Writes "ready" once it is open.
"""

import socket
import sys
import threading
import time


def read(opened: socket.socket, pause_ms: float) -> None:
    while True:
        opened.recv(65_536)
        if pause_ms > 0:
            time.sleep(pause_ms / 1000)


def main() -> None:
    port, pause_ms, receive_buffer = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if receive_buffer > 0:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    opened.bind(("0.0.0.0", port))
    threading.Thread(target=read, args=(opened, pause_ms), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main()
