#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>

struct bpf_link;
struct bpf_object;

namespace quicproxy {

/// Why the kernel or libbpf refused, for people: never empty.
struct BpfRefusal {
  std::string why;
  int systemError;
};

struct SharedMap {
  const char* name;
  int fd;
};

struct MapSize {
  const char* name;
  uint32_t entries;
};

/// Programs and maps of one compiled object (setup/bpf.sh), loaded into the kernel. They go away with this object and
/// with the links made from it; nothing is pinned. The one place that knows libbpf. Control thread only.
class BpfObject {
 public:
  /// object: a whole ELF file, as kSomethingObject of a generated header; name: of the map and program set, for
  /// bpftool; shared: maps of objects loaded before that take the place of this object's own; sizes: of maps that are
  /// to have others than the object says.
  static std::variant<BpfObject, BpfRefusal> load(std::span<const uint8_t> object, const char* name,
                                                  std::span<const SharedMap> shared = {},
                                                  std::span<const MapSize> sizes = {});

  /// Descriptors, owned by this object; negative if there is none of that name.
  [[nodiscard]] int map(const char* name) const;
  [[nodiscard]] int program(const char* name) const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  explicit BpfObject(bpf_object* object) : object_(object) {}

  std::unique_ptr<bpf_object, Close> object_;
};

/// -1 with errno set when the kernel refuses. `key` and `value` have the sizes of the map.
int setMapElement(int map, const void* key, const void* value);
int deleteMapElement(int map, const void* key);

/// The sum over all CPUs of one element of a per-CPU array of 64-bit numbers; 0 when the kernel refuses.
uint64_t sumOverCpus(int map, uint32_t index);

/// Attaches an SK_LOOKUP program to a network namespace; the program stays until the returned descriptor is closed,
/// also when the process dies. -1 with errno set when the kernel refuses.
int attachToNetworkNamespace(int program, int namespaceFd);

}  // namespace quicproxy
