#!/bin/sh
# Runs a program that is built with ThreadSanitizer. Its runtimes of before 2024 want every mapping at a place of theirs
# and end with "unexpected memory mapping" where the kernel draws more than 28 bits of an address (Ubuntu 24.04: 32).
set -eu
if setarch -R true 2>/dev/null; then
  exec setarch -R "$@"
fi
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)
if [ "$bits" -gt 28 ]; then
  echo "$0: ThreadSanitizer does not start: vm.mmap_rnd_bits is $bits and personality(2), with which setarch -R switches" >&2
  echo "the drawing of addresses off, is not allowed here. Run: sysctl vm.mmap_rnd_bits=28, or allow personality in the" >&2
  echo "container's seccomp profile" >&2
  exit 1
fi
exec "$@"
