#include "host/ethtool_call.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/file_descriptor.h"

namespace quicproxy::host {

namespace {

/// Pages that only this call writes to, and behind them one that nobody can: a driver that grows by queues between two
/// calls cannot write over anything else.
class Answer {
 public:
  Answer() {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = kEthtoolAnswerMaximumBytes + page;
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    data_ = static_cast<uint8_t*>(memory);
    guarded_ = mprotect(data_ + kEthtoolAnswerMaximumBytes, page, PROT_NONE) == 0;
  }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }

  [[nodiscard]] uint8_t* data() const { return guarded_ ? data_ : nullptr; }

 private:
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
  bool guarded_ = false;
};

}  // namespace

std::variant<std::vector<uint8_t>, Refusal> callEthtool(std::string_view interfaceName,
                                                        std::span<const uint8_t> request, size_t answerBytes) {
  ifreq call{};
  if (interfaceName.empty() || interfaceName.size() >= sizeof call.ifr_name) return Refusal{"ioctl", ENODEV};
  if (request.size() < sizeof(uint32_t) || request.size() > kEthtoolAnswerMaximumBytes ||
      answerBytes > kEthtoolAnswerMaximumBytes) {
    return Refusal{"ioctl", EINVAL};
  }
  const Answer answer;
  if (answer.data() == nullptr) return Refusal{"mmap", ENOMEM};
  const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Refusal{"socket", errno};
  std::memcpy(answer.data(), request.data(), request.size());
  std::memcpy(call.ifr_name, interfaceName.data(), interfaceName.size());
  call.ifr_data = reinterpret_cast<char*>(answer.data());
  if (ioctl(socket.get(), SIOCETHTOOL, &call) != 0) return Refusal{"ioctl", errno};
  return std::vector<uint8_t>(answer.data(), answer.data() + answerBytes);
}

}  // namespace quicproxy::host
