#include "bpf/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <vector>

namespace quicproxy {

namespace {

/// The first warning of libbpf in a call, which says more than the error number; its callback has no user data.
thread_local std::string firstWarning;

int keepWarning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || !firstWarning.empty()) return 0;
  char text[512];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length > 0) firstWarning = text;
  while (!firstWarning.empty() && firstWarning.back() == '\n') firstWarning.pop_back();
  return length;
}

BpfRefusal refusal(int error) {
  if (error == EPERM) return {"the kernel refused BPF: it needs CAP_BPF and CAP_NET_ADMIN", error};
  const std::string cause = firstWarning.empty() ? "" : " (" + firstWarning + ")";
  return {std::string("the kernel refused BPF: ") + std::strerror(error) + cause, error};
}

}  // namespace

void BpfObject::Close::operator()(bpf_object* object) const { bpf_object__close(object); }

int BpfObject::choose(const BpfChoices& choices) const {
  for (const SharedMap& map : choices.shared) {
    const int reused = bpf_map__reuse_fd(bpf_object__find_map_by_name(object_.get(), map.name), map.fd);
    if (reused != 0) return -reused;
  }
  for (const MapSize& map : choices.sizes) {
    const int sized = bpf_map__set_max_entries(bpf_object__find_map_by_name(object_.get(), map.name), map.entries);
    if (sized != 0) return -sized;
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    const auto isIt = [program](const char* name) { return std::strcmp(name, bpf_program__name(program)) == 0; };
    const bool isWanted = choices.programs.empty() || std::ranges::any_of(choices.programs, isIt);
    bpf_program__set_autoload(program, isWanted);
  }
  if (choices.constants.empty()) return 0;
  bpf_map* constants = bpf_object__find_map_by_name(object_.get(), ".rodata");
  return -bpf_map__set_initial_value(constants, choices.constants.data(), choices.constants.size());
}

std::variant<BpfObject, BpfRefusal> BpfObject::load(std::span<const uint8_t> object, const char* name,
                                                    const BpfChoices& choices) {
  libbpf_set_print(keepWarning);
  firstWarning.clear();
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = name;
  BpfObject result(bpf_object__open_mem(object.data(), object.size(), &options));
  if (!result.object_) return refusal(errno);
  if (const int refused = result.choose(choices); refused != 0) return refusal(refused);
  const int error = bpf_object__load(result.object_.get());
  if (error != 0) return refusal(-error);
  return result;
}

int BpfObject::map(const char* name) const { return bpf_object__find_map_fd_by_name(object_.get(), name); }

int BpfObject::program(const char* name) const {
  const bpf_program* program = bpf_object__find_program_by_name(object_.get(), name);
  return program == nullptr ? -1 : bpf_program__fd(program);
}

int setMapElement(int map, const void* key, const void* value) { return bpf_map_update_elem(map, key, value, BPF_ANY); }

int deleteMapElement(int map, const void* key) { return bpf_map_delete_elem(map, key); }

bool nextMapKey(int map, const void* key, void* next) { return bpf_map_get_next_key(map, key, next) == 0; }

bool readMapElement(int map, const void* key, void* value) { return bpf_map_lookup_elem(map, key, value) == 0; }

size_t possibleCpus() {
  const int cpus = libbpf_num_possible_cpus();
  return cpus > 0 ? static_cast<size_t>(cpus) : 0;
}

uint64_t sumOverCpus(int map, uint32_t index) {
  std::vector<uint64_t> values(possibleCpus());
  if (values.empty()) return 0;
  if (bpf_map_lookup_elem(map, &index, values.data()) != 0) return 0;
  return std::accumulate(values.begin(), values.end(), uint64_t{0});
}

int attachToNetworkNamespace(int program, int namespaceFd) {
  return bpf_link_create(program, namespaceFd, BPF_SK_LOOKUP, nullptr);
}

int attachToTracepoint(int program) { return bpf_raw_tracepoint_open(nullptr, program); }

uint64_t missedRuns(int program) {
  bpf_prog_info info{};
  uint32_t octets = sizeof info;
  return bpf_obj_get_info_by_fd(program, &info, &octets) == 0 ? info.recursion_misses : 0;
}

std::variant<size_t, BpfRefusal> tracepointArguments(const char* name) {
  libbpf_set_print(keepWarning);
  firstWarning.clear();
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__load_vmlinux_btf(), btf__free);
  if (!types) return BpfRefusal{"the kernel does not tell its types (BTF)", errno};
  const int32_t function =
      btf__find_by_name_kind(types.get(), ("btf_trace_" + std::string(name)).c_str(), BTF_KIND_TYPEDEF);
  if (function < 0) return size_t{0};
  const btf_type* pointer =
      btf__type_by_id(types.get(), btf__type_by_id(types.get(), static_cast<uint32_t>(function))->type);
  if (pointer == nullptr || !btf_is_ptr(pointer)) return size_t{0};
  const btf_type* prototype = btf__type_by_id(types.get(), pointer->type);
  if (prototype == nullptr || !btf_is_func_proto(prototype) || btf_vlen(prototype) == 0) return size_t{0};
  // Its first is libbpf's and the kernel's own.
  return size_t{btf_vlen(prototype)} - 1;
}

}  // namespace quicproxy
