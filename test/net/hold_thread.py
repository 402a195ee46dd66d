"""Holds one thread of a process (its main thread: the process id) until standard input ends. ptrace(2)."""

import ctypes
import os
import sys

PTRACE_INTERRUPT = 0x4207
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
WALL = 0x40000000

thread = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


ptrace(PTRACE_SEIZE)
ptrace(PTRACE_INTERRUPT)
os.waitpid(thread, WALL)
print("held", flush=True)
sys.stdin.read()
ptrace(PTRACE_DETACH)
