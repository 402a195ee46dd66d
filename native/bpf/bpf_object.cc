#include "bpf/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

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

std::variant<BpfObject, BpfRefusal> BpfObject::load(std::span<const uint8_t> object, const char* name,
                                                    std::span<const SharedMap> shared, std::span<const MapSize> sizes) {
  libbpf_set_print(keepWarning);
  firstWarning.clear();
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = name;
  BpfObject result(bpf_object__open_mem(object.data(), object.size(), &options));
  if (!result.object_) return refusal(errno);
  for (const SharedMap& map : shared) {
    const int reused = bpf_map__reuse_fd(bpf_object__find_map_by_name(result.object_.get(), map.name), map.fd);
    if (reused != 0) return refusal(-reused);
  }
  for (const MapSize& map : sizes) {
    const int sized =
        bpf_map__set_max_entries(bpf_object__find_map_by_name(result.object_.get(), map.name), map.entries);
    if (sized != 0) return refusal(-sized);
  }
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

uint64_t sumOverCpus(int map, uint32_t index) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  std::vector<uint64_t> values(static_cast<size_t>(cpus));
  if (bpf_map_lookup_elem(map, &index, values.data()) != 0) return 0;
  return std::accumulate(values.begin(), values.end(), uint64_t{0});
}

int attachToNetworkNamespace(int program, int namespaceFd) {
  return bpf_link_create(program, namespaceFd, BPF_SK_LOOKUP, nullptr);
}

}  // namespace quicproxy
