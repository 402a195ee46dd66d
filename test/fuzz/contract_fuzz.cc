#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "abi/contract_view.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const quicproxy::ParsedContract parsed = quicproxy::ContractView::parse({data, size});
  if (parsed.error != nullptr) return 0;
  const quicproxy::ContractView& view = parsed.view;
  if (view.header().totalBytes != size) std::abort();
  for (uint32_t i = 0; i < view.endpointCount(); ++i) {
    if (view.endpoint(i).port == 0) std::abort();
  }
  for (uint32_t i = 0; i < view.backendCount(); ++i) {
    if (view.backend(i).port == 0) std::abort();
  }
  return 0;
}
