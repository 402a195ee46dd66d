"""Runs a command for which the kernel makes no netlink socket, as under RestrictAddressFamilies= of systemd.exec(5)."""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}[platform.machine()]
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
FAIL = 0x00050000 | errno.EAFNOSUPPORT
# Of struct seccomp_data: the number of the call, the low half of its first argument.
CALL, DOMAIN = 0, 16
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06

PROGRAM = [
    (LOAD, 0, 0, CALL),
    (IF_EQUAL, 0, 3, SOCKET_CALL),
    (LOAD, 0, 0, DOMAIN),
    (IF_EQUAL, 0, 1, socket.AF_NETLINK),
    (RETURN, 0, 0, FAIL),
    (RETURN, 0, 0, ALLOW),
]


def main() -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in PROGRAM))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(PROGRAM), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    # Who is no root would have to do without new privileges first.
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
