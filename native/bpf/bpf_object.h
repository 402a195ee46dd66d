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

/// What is to be otherwise than the object says.
struct BpfChoices {
  /// Maps of objects loaded before that take the place of this object's own.
  std::span<const SharedMap> shared = {};
  std::span<const MapSize> sizes = {};
  /// The only programs that are loaded; empty: all.
  std::span<const char* const> programs = {};
  /// First values of the object's constants (.rodata), which the verifier knows; as long as they are.
  std::span<const uint8_t> constants = {};
};

/// Programs and maps of one compiled object (setup/bpf.sh), loaded into the kernel. They go away with this object and
/// with the links made from it; nothing is pinned. The one place that knows libbpf. Control thread only.
class BpfObject {
 public:
  /// object: a whole ELF file, as kSomethingObject of a generated header; name: of the map and program set, for
  /// bpftool.
  static std::variant<BpfObject, BpfRefusal> load(std::span<const uint8_t> object, const char* name,
                                                  const BpfChoices& choices = {});

  /// Descriptors, owned by this object; negative if there is none of that name.
  [[nodiscard]] int map(const char* name) const;
  [[nodiscard]] int program(const char* name) const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  explicit BpfObject(bpf_object* object) : object_(object) {}
  /// 0, or an error number.
  [[nodiscard]] int choose(const BpfChoices& choices) const;

  std::unique_ptr<bpf_object, Close> object_;
};

/// -1 with errno set when the kernel refuses. `key` and `value` have the sizes of the map.
int setMapElement(int map, const void* key, const void* value);
int deleteMapElement(int map, const void* key);

/// Whether there is an element behind `key` (null: the first); writes its key to `next`.
bool nextMapKey(int map, const void* key, void* next);

/// How many values a look-up in a per-CPU map brings; their size is rounded up to 8 octets. 0 when that is not known.
size_t possibleCpus();

/// False when there is no such element. `value` has room for what the map has for one key, on all CPUs.
bool readMapElement(int map, const void* key, void* value);

/// The sum over all CPUs of one element of a per-CPU array of 64-bit numbers; 0 when the kernel refuses.
uint64_t sumOverCpus(int map, uint32_t index);

/// Attaches an SK_LOOKUP program to a network namespace; the program stays until the returned descriptor is closed,
/// also when the process dies. -1 with errno set when the kernel refuses.
int attachToNetworkNamespace(int program, int namespaceFd);

/// Attaches a program to the tracepoint that its section names; as long as the returned descriptor is open, as above.
int attachToTracepoint(int program);

/// How often the kernel left out a run of the program, because it was running on that CPU already.
uint64_t missedRuns(int program);

/// How many arguments the running kernel's tracepoint `name` hands to a program; 0: it has no such tracepoint. Reads
/// all of the kernel's types, which takes some 10 ms. Refuses where the kernel does not tell its types.
std::variant<size_t, BpfRefusal> tracepointArguments(const char* name);

}  // namespace quicproxy
