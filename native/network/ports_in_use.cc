#include "network/ports_in_use.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace quicproxy {

namespace {

std::string contentOf(const char* path) {
  const std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

/// "  12: 0100007F:0035 00000000:0000 07 ..." has local port 0x35; none in the heading.
void addLocalPort(std::string_view line, PortSet& ports) {
  const size_t slot = line.find(": ");
  const size_t colon = slot == std::string_view::npos ? slot : line.find(':', slot + 2);
  if (colon == std::string_view::npos || colon + 5 > line.size()) return;
  unsigned port = 0;
  const char* end = line.data() + colon + 5;
  if (std::from_chars(line.data() + colon + 1, end, port, 16).ptr == end) ports.set(port);
}

}  // namespace

void addLocalPorts(std::string_view table, PortSet& ports) {
  while (!table.empty()) {
    const size_t end = std::min(table.find('\n'), table.size());
    addLocalPort(table.substr(0, end), ports);
    table.remove_prefix(std::min(end + 1, table.size()));
  }
}

PortSet portsInUse() {
  PortSet ports;
  addLocalPorts(contentOf("/proc/self/net/udp"), ports);
  addLocalPorts(contentOf("/proc/self/net/udp6"), ports);
  return ports;
}

PortSet reflectedPorts() {
  constexpr uint16_t kPorts[] = {0, 17, 19, 53, 69, 111, 123, 137, 138, 161, 389, 500, 1900, 3702, 5353, 5355, 11211};
  PortSet ports;
  for (const uint16_t port : kPorts) ports.set(port);
  return ports;
}

}  // namespace quicproxy
