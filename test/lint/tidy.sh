#!/bin/sh
# tidy.sh <source file>: clang-tidy over a C++ file; wants the preset release configured.
# tidy.sh <folder>: over all of a folder's .cc files; wants the preset tidy configured, too. Most checks see them as one
# translation unit, which CMake made: their headers, the standard library's above all, are parsed and searched once and not
# once per file. What looks at main files only, the analyzer above all, sees each file.
set -eu

# Steps that the analyzer goes per function: few functions reach this, and three times as much, the default, costs twice
# as much in total.
budget="--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=75000"
main_file_checks=-*,clang-analyzer-*,-clang-analyzer-optin.performance.Padding,misc-unused-alias-decls,misc-unused-using-decls

# tidy <preset> <argument>...: sets `said`; clang-tidy also says how many warnings of system headers it left out.
tidy() {
  preset=$1
  shift
  # shellcheck disable=SC2086
  said=$(clang-tidy-19 -p "build/native/$preset" --quiet $budget "$@" 2>&1)
}

fail() {
  echo "$said" >&2
  exit 1
}

if [ ! -d "$1" ]; then
  tidy release "$1" || fail
  exit 0
fi

# The compiler's own warnings are gcc's to make errors of; the analyzer, where it is on, switches -Werror off by itself.
unit=$(echo build/native/tidy/CMakeFiles/*/Unity/unity_"$(basename "$1")"_cxx.cxx)
if tidy tidy --extra-arg=-Wno-error --checks=-clang-analyzer-* "$unit"; then
  tidy release --checks="$main_file_checks" "$1"/*.cc || fail
elif echo "$said" | grep -q '\[clang-diagnostic-error'; then
  echo "$1: names of two files clash or a file does not compile; looking at each alone" >&2
  tidy release "$1"/*.cc || fail
else
  fail
fi
