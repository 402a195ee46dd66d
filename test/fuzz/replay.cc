// Runs a fuzz target over the files of a corpus folder: fuzz_replay <target> <folder>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#define QP_FUZZ(name) extern "C" int name(const uint8_t* data, size_t size);
#include "fuzz_list.def"
#undef QP_FUZZ

namespace {

using Target = int (*)(const uint8_t*, size_t);

Target targetOf(const char* name) {
#define QP_FUZZ(target) \
  if (std::strcmp(name, #target) == 0) return target;
#include "fuzz_list.def"
#undef QP_FUZZ
  return nullptr;
}

std::vector<uint8_t> contentOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // Ends where its heap block ends, so that AddressSanitizer sees an octet read too far.
  content.shrink_to_fit();
  return content;
}

}  // namespace

int main(int count, char** arguments) {
  const Target target = count == 3 ? targetOf(arguments[1]) : nullptr;
  if (target == nullptr) {
    std::fprintf(stderr, "usage: fuzz_replay <target> <corpus folder>\n");
    return 2;
  }
  int files = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[2], error)) {
    const std::vector<uint8_t> content = contentOf(entry.path());
    target(content.data(), content.size());
    ++files;
  }
  std::printf("%s: %d files\n", arguments[1], files);
  return files > 0 ? 0 : 1;
}
