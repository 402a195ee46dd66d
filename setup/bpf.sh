#!/bin/sh
# bpf.sh [<output directory>]: compiles native/bpf/*.bpf.c and writes each object as a C++ array,
# <output directory>/<name>.object.h, so that neither build nor process needs a file beside the binary. Says nothing, and
# leaves files alone that are newer than their sources.
set -eu
cd "$(dirname "$0")/.."
output=${1:-build/bpf}
clang=clang
for candidate in clang-19 clang; do
  if command -v "$candidate" >/dev/null 2>&1; then clang=$candidate && break; fi
done
# Where Debian and Ubuntu keep asm/types.h.
headers=/usr/include/$(c++ -print-multiarch)

stale() {
  [ -e "$1" ] || return 0
  [ -n "$(find native/bpf/*.bpf.c native/bpf/*.h native/wire/path.h setup/bpf.sh -newer "$1")" ]
}

# upstream_lookup -> kUpstreamLookupObject
constant() {
  echo "k$(echo "_$1_object" | sed -E 's/_(.)/\U\1/g')"
}

embed() {
  echo "// Made by setup/bpf.sh."
  echo "#pragma once"
  echo "alignas(8) inline constexpr unsigned char $(constant "$1")[] = {"
  od -An -v -tx1 "$2" | sed -E 's/ ([0-9a-f]{2})/0x\1,/g'
  echo "};"
}

mkdir -p "$output"
for source in native/bpf/*.bpf.c; do
  name=$(basename "$source" .bpf.c)
  header=$output/$name.object.h
  stale "$header" || continue
  # Two builds may run at once: each writes a file of its own and moves it into place.
  draft=$(mktemp "$output/$name.XXXXXX")
  "$clang" -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Werror -I "$headers" -c "$source" -o "$draft"
  embed "$name" "$draft" >"$draft.h"
  mv "$draft.h" "$header"
  mv "$draft" "$output/$name.bpf.o"
done
