#include "host/netlink_exchange.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "io/file_descriptor.h"

namespace quicproxy::host {

namespace {

using Clock = std::chrono::steady_clock;

/// The kernel fills 32 KiB at a time, more only where one object needs it.
constexpr size_t kReceiveBytes = size_t{128} * 1024;

nlmsghdr headerAt(std::span<const uint8_t> octets) {
  nlmsghdr header{};
  std::memcpy(&header, octets.data(), sizeof header);
  return header;
}

/// Whether nothing follows these messages; also where they are no messages.
bool endsAnswer(std::span<const uint8_t> messages) {
  while (messages.size() >= sizeof(nlmsghdr)) {
    const nlmsghdr header = headerAt(messages);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > messages.size()) return true;
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return true;
    if ((header.nlmsg_flags & NLM_F_MULTI) == 0) return true;
    messages = messages.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), messages.size()));
  }
  return false;
}

/// false: the deadline passed.
bool waitReadable(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left < 0) return false;
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

std::variant<FileDescriptor, Refusal> sendRequest(int protocol, std::span<const uint8_t> request) {
  if (request.size() < sizeof(nlmsghdr) || headerAt(request).nlmsg_len != request.size())
    return Refusal{"send", EINVAL};
  FileDescriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!socket) return Refusal{"socket", errno};
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = sendto(socket.get(), request.data(), request.size(), 0,
                              reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent < 0) return Refusal{"send", errno};
  return socket;
}

}  // namespace

std::variant<std::vector<uint8_t>, Refusal> exchangeNetlink(int protocol, std::span<const uint8_t> request,
                                                            NetlinkLimits limits) {
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(limits.deadlineMs);
  auto opened = sendRequest(protocol, request);
  if (const auto* refusal = std::get_if<Refusal>(&opened)) return *refusal;
  const auto& socket = std::get<FileDescriptor>(opened);

  std::vector<uint8_t> answer;
  while (answer.size() < limits.maximumBytes && waitReadable(socket.get(), deadline)) {
    const size_t before = answer.size();
    answer.resize(before + kReceiveBytes);
    sockaddr_nl sender{};
    socklen_t senderSize = sizeof sender;
    const ssize_t received = recvfrom(socket.get(), answer.data() + before, kReceiveBytes, MSG_DONTWAIT | MSG_TRUNC,
                                      reinterpret_cast<sockaddr*>(&sender), &senderSize);
    const int systemError = errno;
    const bool fromKernel = received > 0 && sender.nl_pid == 0;
    answer.resize(before + (fromKernel ? std::min(static_cast<size_t>(received), kReceiveBytes) : 0));
    if (received < 0 && systemError != EAGAIN && systemError != EINTR) return Refusal{"recv", systemError};
    if (fromKernel && endsAnswer(std::span(answer).subspan(before))) break;
    if (fromKernel && static_cast<size_t>(received) > kReceiveBytes) break;
  }
  return answer;
}

}  // namespace quicproxy::host
