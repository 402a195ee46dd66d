#include "network/ports_in_use.h"

#include <dirent.h>
#include <unistd.h>

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

/// The field of a table's line behind so many others.
std::string_view fieldOf(std::string_view line, int behind) {
  for (;; behind--) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\n"), line.size()));
    const size_t end = std::min(line.find_first_of(" \t\n"), line.size());
    if (behind == 0) return line.substr(0, end);
    line.remove_prefix(end);
  }
}

uint64_t numberIn(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Of the sockets among the open files of this process.
std::set<uint64_t> ownInodes() {
  std::set<uint64_t> inodes;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return inodes;
  constexpr std::string_view kSocket = "socket:[";
  while (const dirent* entry = readdir(directory)) {
    char target[64];
    const ssize_t size = readlink((std::string("/proc/self/fd/") + entry->d_name).c_str(), target, sizeof target);
    const std::string_view text(target, static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (text.starts_with(kSocket)) inodes.insert(numberIn(text.substr(kSocket.size())));
  }
  closedir(directory);
  return inodes;
}

/// "  12: 0100007F:0035 00000000:0000 07 ..." has local port 0x35; none in the heading. The tenth field is the inode.
void addLocalPort(std::string_view line, PortSet& ports, const std::set<uint64_t>* inodes) {
  if (inodes != nullptr && !inodes->contains(numberIn(fieldOf(line, 9)))) return;
  const size_t slot = line.find(": ");
  const size_t colon = slot == std::string_view::npos ? slot : line.find(':', slot + 2);
  if (colon == std::string_view::npos || colon + 5 > line.size()) return;
  unsigned port = 0;
  const char* end = line.data() + colon + 5;
  if (std::from_chars(line.data() + colon + 1, end, port, 16).ptr == end) ports.set(port);
}

}  // namespace

void addLocalPorts(std::string_view table, PortSet& ports, const std::set<uint64_t>* inodes) {
  while (!table.empty()) {
    const size_t end = std::min(table.find('\n'), table.size());
    addLocalPort(table.substr(0, end), ports, inodes);
    table.remove_prefix(std::min(end + 1, table.size()));
  }
}

PortSet portsInUse() {
  PortSet ports;
  addLocalPorts(contentOf("/proc/self/net/udp"), ports);
  addLocalPorts(contentOf("/proc/self/net/udp6"), ports);
  return ports;
}

PortSet ownPorts() {
  const std::set<uint64_t> inodes = ownInodes();
  PortSet ports;
  addLocalPorts(contentOf("/proc/self/net/udp"), ports, &inodes);
  addLocalPorts(contentOf("/proc/self/net/udp6"), ports, &inodes);
  return ports;
}

uint32_t ephemeralPortCount(std::string_view range, std::string_view reserved) {
  const uint64_t first = numberIn(fieldOf(range, 0));
  const uint64_t last = numberIn(fieldOf(range, 1));
  if (first == 0 || last < first || last > 65535) return 0;
  uint64_t count = last - first + 1;
  while (!reserved.empty()) {
    const std::string_view part = reserved.substr(0, std::min(reserved.find(','), reserved.size()));
    const uint64_t from = numberIn(part);
    const size_t dash = part.find('-');
    const uint64_t to = dash == std::string_view::npos ? from : numberIn(part.substr(dash + 1));
    const uint64_t low = std::max(from, first);
    const uint64_t high = std::min(to, last);
    if (low <= high) count -= std::min(count, high - low + 1);
    reserved.remove_prefix(std::min(part.size() + 1, reserved.size()));
  }
  return static_cast<uint32_t>(count);
}

uint32_t ephemeralPortCount() {
  return ephemeralPortCount(contentOf("/proc/sys/net/ipv4/ip_local_port_range"),
                            contentOf("/proc/sys/net/ipv4/ip_local_reserved_ports"));
}

PortSet reflectedPorts() {
  constexpr uint16_t kPorts[] = {0, 17, 19, 53, 69, 111, 123, 137, 138, 161, 389, 500, 1900, 3702, 5353, 5355, 11211};
  PortSet ports;
  for (const uint16_t port : kPorts) ports.set(port);
  return ports;
}

}  // namespace quicproxy
