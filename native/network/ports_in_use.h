#pragma once

#include <bitset>
#include <string_view>

namespace quicproxy {

/// By port number.
using PortSet = std::bitset<65536>;

/// Adds the local ports of a table in the form of /proc/net/udp.
void addLocalPorts(std::string_view table, PortSet& ports);

/// Local UDP ports of this network namespace, whoever has them.
PortSet portsInUse();

/// Ports of UDP services that attackers reflect from. QUIC servers drop Initials that come from them (RFC 9308 section
/// 8.1, and Chromium's list, which most have taken over).
PortSet reflectedPorts();

}  // namespace quicproxy
