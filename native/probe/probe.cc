#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>

/*
 * quicproxy-probe <socket> <path> <milliseconds>: asks a proxy by its health socket (proxy/metrics/health_socket.ts)
 * and ends with 0 if it answers 200. Otherwise it ends with 1 and says why, which the kubelet shows in an event. The
 * kubelet starts it every few seconds on every node: so it is no Node.js, and links the C library alone.
 */

namespace {

constexpr int kMaxWaitMs = 60'000;
constexpr std::string_view kStatus = "HTTP/1.1 ";
constexpr std::string_view kEndOfHeaders = "\r\n\r\n";

int64_t nowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

int fail(const char* what, const char* why) {
  std::printf("%s: %s\n", what, why);
  return 1;
}

bool waitFor(int socket, short event, int64_t deadlineMs) {
  pollfd waiting{.fd = socket, .events = event, .revents = 0};
  for (;;) {
    const int64_t leftMs = deadlineMs - nowMs();
    const int ready = poll(&waiting, 1, leftMs > 0 ? static_cast<int>(leftMs) : 0);
    if (ready > 0) return true;
    if (ready == 0) errno = ETIMEDOUT;
    if (ready == 0 || errno != EINTR) return false;
  }
}

/// As much of the answer as has room, until the other side closes. -1: errno says why.
ssize_t ask(int socket, std::string_view path, int64_t deadlineMs, std::array<char, 4096>& answer) {
  std::array<char, 256> request{};
  const int length = std::snprintf(request.data(), request.size(), "GET %.*s HTTP/1.0\r\n\r\n",
                                   static_cast<int>(path.size()), path.data());
  if (length < 0 || static_cast<size_t>(length) >= request.size()) return errno = ENAMETOOLONG, -1;
  if (send(socket, request.data(), static_cast<size_t>(length), MSG_NOSIGNAL) != length) return -1;
  size_t held = 0;
  while (held < answer.size()) {
    if (!waitFor(socket, POLLIN, deadlineMs)) return -1;
    const ssize_t octets = recv(socket, answer.data() + held, answer.size() - held, 0);
    if (octets < 0) return -1;
    if (octets == 0) break;
    held += static_cast<size_t>(octets);
  }
  return static_cast<ssize_t>(held);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return fail("usage", "quicproxy-probe <socket> <path> <milliseconds>");
  const std::string_view place = arguments[1];
  const std::string_view wait = arguments[3];
  int waitMs = 0;
  std::from_chars(wait.data(), wait.data() + wait.size(), waitMs);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (place.size() >= sizeof(address.sun_path)) return fail(arguments[1], "this path is too long for a socket");
  if (waitMs < 1 || waitMs > kMaxWaitMs) return fail(arguments[3], "allowed: milliseconds from 1 to 60000");
  place.copy(address.sun_path, place.size());

  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the interface of connect(2)
  if (socket < 0 || connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return fail("the proxy does not answer on its health socket", std::strerror(errno));
  }
  std::array<char, 4096> octets{};
  const ssize_t length = ask(socket, arguments[2], nowMs() + waitMs, octets);
  if (length < 0) return fail("the proxy does not answer", std::strerror(errno));
  const std::string_view answer(octets.data(), static_cast<size_t>(length));
  if (!answer.starts_with(kStatus)) return fail("the proxy does not answer", "what came is no HTTP");
  if (answer.substr(kStatus.size()).starts_with("200 ")) return 0;
  const size_t headers = answer.find(kEndOfHeaders);
  const std::string_view reason =
      headers == std::string_view::npos ? answer.substr(kStatus.size()) : answer.substr(headers + kEndOfHeaders.size());
  static_cast<void>(std::fwrite(reason.data(), 1, reason.size(), stdout));
  return 1;
}
