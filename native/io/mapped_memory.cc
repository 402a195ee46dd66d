#include "io/mapped_memory.h"

#include <sys/mman.h>

#include <utility>

namespace quicproxy {

MappedMemory::MappedMemory(size_t bytes, const char* name) {
  if (name != nullptr) {
    file_ = FileDescriptor(memfd_create(name, MFD_CLOEXEC));
    if (!file_ || ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) return;
  }
  const int flags = file_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, file_.get(), 0);
  if (memory == MAP_FAILED) return;
  data_ = static_cast<uint8_t*>(memory);
  bytes_ = bytes;
}

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : file_(std::move(other.file_)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedMemory::~MappedMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace quicproxy
