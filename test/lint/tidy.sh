#!/bin/sh
# tidy.sh <build directory> <source file>...: clang-tidy over C++ files that the compile commands of the directory name.
# tidy.sh <build directory> <folder>: over all of a folder's .cc files as one translation unit, which CMake made: their
# headers, the standard library's above all, are parsed and searched once and not once per file, half of the whole cost.
# What does not compile as one, because names of two files clash, is looked at file by file.
set -eu
commands=$1
shift

# Paths that the analyzer follows per function: the budget is met by a few long functions, and three times as much, the
# default, costs twice as much in total.
budget="--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=75000"

tidy() {
  # shellcheck disable=SC2086
  clang-tidy-19 -p "$commands" --quiet $budget "$@" 2>&1
}

# clang-tidy also says how many warnings of system headers it left out.
if [ ! -d "$1" ]; then
  said=$(tidy "$@") || { echo "$said" >&2; exit 1; }
  exit 0
fi

unit=$(echo "$commands"/CMakeFiles/*/Unity/unity_"$(basename "$1")"_cxx.cxx)
# The analyzer leaves included files alone unless it is told not to.
if ! said=$(tidy --extra-arg=-Xclang --extra-arg=-analyzer-opt-analyze-headers "$unit"); then
  if echo "$said" | grep -q '\[clang-diagnostic-error'; then
    echo "$1: names of two files clash or a file does not compile; looking at each alone" >&2
    said=$(tidy "$1"/*.cc) || { echo "$said" >&2; exit 1; }
    exit 0
  fi
  echo "$said" >&2
  exit 1
fi

# The two checks that look at a main file only.
named=$(grep -lE '^ *(using [A-Za-z0-9_:]*::[A-Za-z0-9_]+;|namespace [A-Za-z0-9_]+ =)' "$1"/*.cc) || exit 0
# shellcheck disable=SC2086
said=$(tidy --checks=-*,misc-unused-using-decls,misc-unused-alias-decls $named) || { echo "$said" >&2; exit 1; }
