#!/bin/sh
# Builds the addons of binding.gyp into build/Release, with the headers that come with the pinned Node; nothing comes from
# nodejs.org.
# Configures only when binding.gyp or the list of sources changed, so that one changed file recompiles alone.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH

find_headers() {
  for candidate in node_modules/node/node_modules/node-linux-* node_modules/node-linux-*; do
    if [ -e "$candidate/include/node/node_api.h" ]; then echo "$PWD/$candidate" && return 0; fi
  done
  return 1
}

# npm install, unlike npm ci, may prune the package inside the package "node" that carries the headers.
find_headers >/dev/null || npm rebuild --loglevel=error node
nodedir=$(find_headers) || { echo "the npm package node brought no headers: run npm ci" >&2; exit 1; }

setup/bpf.sh
sources=$(ls native/*/*.cc)
listed=build/addon.sources
if [ ! -e build/Makefile ] || [ binding.gyp -nt build/Makefile ] || [ "$sources" != "$(cat $listed 2>/dev/null)" ]; then
  node-gyp configure --loglevel=error --nodedir="$nodedir"
  echo "$sources" >$listed
fi
# MAKEFLAGS of an outer make names a jobserver that the inner one cannot reach.
MAKEFLAGS='' node-gyp build --loglevel=error -j "${JOBS:-$(nproc)}" --nodedir="$nodedir"
touch build/Release/quicproxy.node build/Release/quicproxy_host.node
