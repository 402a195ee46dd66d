#pragma once

#include <cstddef>
#include <cstdint>

#include "io/file_descriptor.h"

namespace quicproxy {

/// Zeroed pages that are counted only once they are touched. Backed by a memfd when it has a name, so that the
/// region can be handed to another process; anonymous otherwise. Empty when the kernel refuses.
class MappedMemory {
 public:
  MappedMemory() = default;
  MappedMemory(size_t bytes, const char* name);
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) noexcept;
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;
  ~MappedMemory();

  /// The memfd, for whoever the region is handed to; -1 when it is anonymous.
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] uint8_t* data() const { return data_; }
  [[nodiscard]] size_t size() const { return bytes_; }
  [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }

 private:
  FileDescriptor file_;
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace quicproxy
