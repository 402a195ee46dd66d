"""Prints id and name of every BPF program in the kernel, one a line (bpf(2), needs CAP_SYS_ADMIN)."""

import ctypes
import os
import platform
import struct

NUMBER = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_GET_NEXT_ID, PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 11, 13, 15
NAME_AT, NAME_BYTES, INFO_BYTES = 64, 16, 256

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: ctypes.Array) -> int:
    return libc.syscall(NUMBER, command, attributes, len(attributes))


def name_of(program: int) -> str:
    """Empty where it has ended meanwhile."""
    fd = bpf(PROG_GET_FD_BY_ID, ctypes.create_string_buffer(struct.pack("=III", program, 0, 0), 128))
    if fd < 0:
        return ""
    info = ctypes.create_string_buffer(INFO_BYTES)
    asked = ctypes.create_string_buffer(struct.pack("=IIQ", fd, INFO_BYTES, ctypes.addressof(info)), 128)
    known = bpf(OBJ_GET_INFO_BY_FD, asked) == 0
    os.close(fd)
    return info.raw[NAME_AT : NAME_AT + NAME_BYTES].split(b"\0")[0].decode() if known else ""


def main() -> None:
    program = 0
    while True:
        asked = ctypes.create_string_buffer(struct.pack("=III", program, 0, 0), 128)
        if bpf(PROG_GET_NEXT_ID, asked) != 0:
            break
        (_, program, _) = struct.unpack_from("=III", asked)
        print(program, name_of(program))


main()
