#pragma once

#include <bitset>
#include <cstdint>
#include <set>
#include <string_view>

namespace quicproxy {

/// By port number.
using PortSet = std::bitset<65536>;

/// Adds the local ports of a table in the form of /proc/net/udp. `inodes`: only of these sockets; null: of all.
void addLocalPorts(std::string_view table, PortSet& ports, const std::set<uint64_t>* inodes = nullptr);

/// Local UDP ports of this network namespace, whoever has them.
PortSet portsInUse();

/// Those that this process has.
PortSet ownPorts();

/// How many ports the kernel picks from where a program names none (net.ipv4.ip_local_port_range), without those that
/// are reserved (net.ipv4.ip_local_reserved_ports). 0 when it cannot be read.
uint32_t ephemeralPortCount();

/// The same of what those files say: "32768\t60999" and "40000,50000-50099".
uint32_t ephemeralPortCount(std::string_view range, std::string_view reserved);

/// Ports of UDP services that attackers reflect from. QUIC servers drop Initials that come from them (RFC 9308 section
/// 8.1, and Chromium's list, which most have taken over).
PortSet reflectedPorts();

}  // namespace quicproxy
