#include "echo_backends.h"

#include <sys/epoll.h>

namespace quicproxy::soak {

namespace {

constexpr int kWaitMs = 50;
constexpr size_t kAnswerOctets = 300;

}  // namespace

EchoBackends::EchoBackends() {
  for (uint16_t i = 0; i < kBackends; i++) {
    SocketAddress address = loopback(familyOf(i), 0);
    sockets_[i] = FileDescriptor(socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ready_ = ready_ && bind(sockets_[i].get(), &address.any, address.length) == 0;
    ready_ = ready_ && getsockname(sockets_[i].get(), &address.any, &address.length) == 0;
    ports_[i] = address.port();
  }
}

void EchoBackends::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  thread_.join();
}

void EchoBackends::run() {
  const FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  for (uint16_t i = 0; i < kBackends; i++) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = i;
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, sockets_[i].get(), &event);
  }
  std::array<epoll_event, kBackends> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll.get(), events.data(), kBackends, kWaitMs);
    for (int i = 0; i < count; i++) answerAll(static_cast<uint16_t>(events[static_cast<size_t>(i)].data.u32));
  }
}

void EchoBackends::answerAll(uint16_t backend) {
  std::array<uint8_t, 2048> buffer;
  while (true) {
    SocketAddress from;
    from.length = sizeof from.v6;
    const ssize_t size =
        recvfrom(sockets_[backend].get(), buffer.data(), buffer.size(), MSG_DONTWAIT, &from.any, &from.length);
    if (size < 0) return;
    received_++;
    answer(backend, {buffer.data(), static_cast<size_t>(size)}, from);
  }
}

void EchoBackends::answer(uint16_t backend, std::span<const uint8_t> datagram, const SocketAddress& from) {
  auto note = noteOf(datagram);
  if (!note) return;
  note->backend = backend;
  const Octets client = cidOf(note->connection);
  std::vector<Octets> train;
  if (scidOf(datagram)) {
    const Octets own = isQuicLb(backend) ? routableCid(random_, backend) : plainCid(random_);
    train.push_back(longHeader(client, own, kAnswerOctets, *note));
  }
  while (train.size() < note->answers) train.push_back(shortHeader(client, kAnswerOctets, *note));
  sent_ += sendTrain(sockets_[backend].get(), from, train);
}

}  // namespace quicproxy::soak
