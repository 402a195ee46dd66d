#!/bin/sh
# Installs the system packages of the named groups: build native lab fault image cluster interop bench lint fuzz. With --needs:
# prints the table below, from which the tests make the PATH of a fresh system (test/fresh/).
# Nothing to do: says nothing. As root on Debian 12 or Ubuntu 24.04 and newer: installs with apt. Otherwise: says what is
# missing, or the command that installs it, and stops.
set -eu
# Servers live where the PATH of an ordinary user does not look.
PATH=$PATH:/usr/sbin:/sbin

# <group> <what proves that it is there: a command, or /a/path, globs allowed> <Debian/Ubuntu package>
needs() {
  cat <<'TABLE'
build    c++                                            g++
build    make                                           make
build    ld                                             binutils
build    python3                                        python3
build    clang-19                                       clang-19
build    /usr/include/bpf/libbpf.h                      libbpf-dev
native   cmake                                          cmake
native   clang-19                                       clang-19
native   ip                                             iproute2
native   /usr/include/bpf/libbpf.h                      libbpf-dev
native   /usr/include/gtest/gtest.h                     libgtest-dev
lab      ip                                             iproute2
lab      ethtool                                        ethtool
lab      nft                                            nftables
lab      gtlsclient                                     ngtcp2-client
lab      gtlsserver                                     ngtcp2-server
lab      openssl                                        openssl
fault    ip                                             iproute2
fault    ethtool                                        ethtool
fault    nft                                            nftables
fault    /usr/bin/python3                               python3
fault    clang-19                                       clang-19
fault    /usr/include/bpf/libbpf.h                      libbpf-dev
fault    nginx                                          nginx-light
fault    /usr/lib/nginx/modules/ngx_stream_module.so    libnginx-mod-stream
image    strip                                          binutils
image    umoci                                          umoci
image    mount                                          mount
cluster  ip                                             iproute2
cluster  openssl                                        openssl
cluster  umoci                                          umoci
cluster  etcd                                           etcd-server
cluster  containerd                                     containerd
cluster  runc                                           runc
cluster  /usr/lib/cni/ptp                               containernetworking-plugins
cluster  mount                                          mount
cluster  hostname                                       hostname
cluster  /etc/ssl/certs/ca-certificates.crt             ca-certificates
cluster  nft                                            nftables
cluster  /usr/share/doc/busybox-static                  busybox-static
cluster  /usr/lib/python3*/ensurepip/__init__.py        python3-venv
interop  /usr/bin/python3                               python3
interop  /etc/ssl/certs/ca-certificates.crt             ca-certificates
interop  /usr/lib/python3*/ensurepip/__init__.py        python3-venv
bench    nginx                                          nginx-light
bench    nft                                            nftables
bench    /usr/lib/nginx/modules/ngx_stream_module.so    libnginx-mod-stream
lint     clang-format-19                                clang-format-19
lint     clang-tidy-19                                  clang-tidy-19
fuzz     clang++-19                                     clang-19
fuzz     /usr/lib/llvm-19/lib/clang/19/lib/*/libclang_rt.fuzzer* libclang-rt-19-dev
TABLE
}

present() {
  case $1 in
    /*) for path in $1; do [ -e "$path" ] && return 0; done; return 1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing_packages() {
  needs | while read -r group proof package; do
    case " $* " in *" $group "*) ;; *) continue ;; esac
    present "$proof" || echo "$package"
  done | sort -u
}

# Older releases have no ngtcp2 and a CMake that is too old. os-release of Debian's development branches has no version.
supported_release() {
  version=$(. "$1" 2>/dev/null && echo "${VERSION_ID:-9999}")
  case $(. "$1" 2>/dev/null && echo "$ID") in
    debian) [ "${version%%.*}" -ge 12 ] ;;
    ubuntu) [ "${version%%.*}" -ge 24 ] ;;
    *) return 1 ;;
  esac
}
os_release=${OS_RELEASE:-/etc/os-release}

# A package's server must not start on this machine: packages ask policy-rc.d before they start a service.
policy=/usr/sbin/policy-rc.d
policy_made=no
forbid_services() {
  [ -e "$policy" ] && return 0
  policy_made=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}
allow_services() {
  if [ "$policy_made" = yes ]; then rm -f "$policy"; fi
}

# Only the program is wanted: what was installed here must not start at the next boot either.
disable_services() {
  for package in "$@"; do
    case $package in nginx-light) service=nginx ;; ngtcp2-server) service=ngtcp2d ;; containerd) service=containerd ;;
      etcd-server) service=etcd ;; *) continue ;; esac
    if command -v systemctl >/dev/null 2>&1; then systemctl --quiet disable "$service" >/dev/null 2>&1 || true
    elif command -v update-rc.d >/dev/null 2>&1; then update-rc.d "$service" disable >/dev/null 2>&1 || true; fi
  done
}

install_with_apt() {
  export DEBIAN_FRONTEND=noninteractive
  # A list that was never fetched, or one older than the archive, shows as a failure to install.
  options="-o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -qq -y --no-install-recommends"
  trap allow_services EXIT
  trap 'exit 130' INT TERM
  forbid_services
  # shellcheck disable=SC2086
  apt-get install $options "$@" >/dev/null 2>&1 || { apt-get update -qq && apt-get install $options "$@" >/dev/null; }
  disable_services "$@"
}

if [ "${1:-}" = --needs ]; then needs && exit 0; fi
[ $# -gt 0 ] || { echo "usage: $0 --needs | build|native|lab|fault|image|cluster|interop|bench|lint|fuzz ..." >&2; exit 2; }
packages=$(missing_packages "$@" | tr '\n' ' ')
packages=${packages% }
[ -n "$packages" ] || exit 0

if ! supported_release "$os_release" || ! command -v apt-get >/dev/null 2>&1; then
  release=$(. "$os_release" 2>/dev/null && echo "$PRETTY_NAME" || true)
  echo "Supported are Debian 12 and newer and Ubuntu 24.04 and newer; this is ${release:-another system}." >&2
  echo "Missing, to be installed by hand (names of Debian's packages): $packages" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "Missing: $packages. Install them with:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages" >&2
  exit 1
fi
echo "installing $packages"
# shellcheck disable=SC2086
install_with_apt $packages || { echo "apt-get could not install: $packages" >&2; exit 1; }
packages=$(missing_packages "$@" | tr '\n' ' ')
[ -z "$packages" ] || { echo "still missing after the installation: $packages" >&2; exit 1; }
