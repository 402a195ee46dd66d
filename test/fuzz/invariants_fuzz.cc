#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "route/invariants.h"

namespace {

using quicproxy::HeaderForm;
using quicproxy::Invariants;

void require(bool holds) {
  if (!holds) std::abort();
}

bool liesIn(std::span<const uint8_t> part, std::span<const uint8_t> whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void checkLong(const Invariants& seen, std::span<const uint8_t> datagram) {
  require(seen.dcid.size() <= 255 && seen.scid.size() <= 255);
  require(liesIn(seen.dcid, datagram) && liesIn(seen.scid, datagram));
  require(seen.dcid.data() == datagram.data() + 6);
  require(seen.scid.data() == seen.dcid.data() + seen.dcid.size() + 1);
}

HeaderForm formOf(std::span<const uint8_t> datagram) {
  if (datagram.empty()) return HeaderForm::kEmpty;
  if (datagram[0] < 0x80) return HeaderForm::kShort;
  const size_t dcid = datagram.size() > 5 ? datagram[5] : 255;
  const size_t scidAt = 6 + dcid;
  const size_t scid = datagram.size() > scidAt ? datagram[scidAt] : 255;
  return datagram.size() >= scidAt + 1 + scid ? HeaderForm::kLong : HeaderForm::kMalformed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> datagram(data, size);
  const Invariants seen = Invariants::parse(datagram);
  require(seen.form == formOf(datagram));
  if (seen.form == HeaderForm::kLong) checkLong(seen, datagram);
  for (size_t length = 0; length <= 20; ++length) {
    const auto dcid = quicproxy::shortHeaderDcid(datagram, length);
    require(dcid.has_value() == (size >= 1 + length));
    if (dcid) require(liesIn(*dcid, datagram) && dcid->size() == length);
  }
  return 0;
}
