#include "route/invariants.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace quicproxy {
namespace {

/// A copy that ends where its heap block ends, so that AddressSanitizer sees every octet read too far.
class AtHeapEnd {
 public:
  explicit AtHeapEnd(std::span<const uint8_t> octets)
      : size_(octets.size()), block_(std::make_unique<uint8_t[]>(octets.size())) {
    std::copy(octets.begin(), octets.end(), block_.get());
  }
  [[nodiscard]] std::span<const uint8_t> span() const { return {block_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<uint8_t[]> block_;
};

struct LongHeader {
  uint32_t version = 1;
  size_t dcidLength = 8;
  size_t scidLength = 8;
  size_t payload = 0;

  [[nodiscard]] size_t headerBytes() const { return 7 + dcidLength + scidLength; }

  /// DCID octets are 0xd0, SCID octets 0x50, the rest 0xee.
  [[nodiscard]] std::vector<uint8_t> octets() const {
    std::vector<uint8_t> out = {0xc0, uint8_t(version >> 24), uint8_t(version >> 16), uint8_t(version >> 8),
                                uint8_t(version)};
    out.push_back(static_cast<uint8_t>(dcidLength));
    out.insert(out.end(), dcidLength, 0xd0);
    out.push_back(static_cast<uint8_t>(scidLength));
    out.insert(out.end(), scidLength, 0x50);
    out.insert(out.end(), payload, 0xee);
    return out;
  }
};

bool isAll(std::span<const uint8_t> octets, uint8_t value) {
  return std::all_of(octets.begin(), octets.end(), [=](uint8_t octet) { return octet == value; });
}

void expectLong(const LongHeader& header) {
  const AtHeapEnd datagram(header.octets());
  const Invariants seen = Invariants::parse(datagram.span());
  ASSERT_EQ(seen.form, HeaderForm::kLong) << header.dcidLength << "/" << header.scidLength;
  EXPECT_EQ(seen.version, header.version);
  EXPECT_EQ(seen.dcid.size(), header.dcidLength);
  EXPECT_EQ(seen.scid.size(), header.scidLength);
  EXPECT_TRUE(isAll(seen.dcid, 0xd0));
  EXPECT_TRUE(isAll(seen.scid, 0x50));
}

TEST(Invariants, AnEmptyDatagramIsEmpty) { EXPECT_EQ(Invariants::parse({}).form, HeaderForm::kEmpty); }

TEST(Invariants, ReadsEveryCombinationOfConnectionIdLengths) {
  for (size_t dcidLength = 0; dcidLength <= 255; ++dcidLength) {
    for (size_t scidLength = 0; scidLength <= 255; ++scidLength) {
      expectLong({.dcidLength = dcidLength, .scidLength = scidLength});
    }
  }
}

TEST(Invariants, ReadsAnyVersionAndVersionNegotiation) {
  for (const uint32_t version : {0x00000000u, 0x00000001u, 0x6b3343cfu, 0x1a2a3a4au, 0xffffffffu}) {
    expectLong({.version = version, .payload = 1200});
  }
}

TEST(Invariants, IgnoresAllBitsOfTheFirstOctetButTheForm) {
  std::vector<uint8_t> octets = LongHeader{}.octets();
  for (int first = 0; first < 256; ++first) {
    octets[0] = static_cast<uint8_t>(first);
    EXPECT_EQ(Invariants::parse(octets).form, first >= 0x80 ? HeaderForm::kLong : HeaderForm::kShort);
  }
}

TEST(Invariants, ALongHeaderCutAnywhereIsMalformed) {
  for (const LongHeader& header :
       {LongHeader{}, LongHeader{.dcidLength = 0, .scidLength = 0}, LongHeader{.dcidLength = 255, .scidLength = 255},
        LongHeader{.dcidLength = 20, .scidLength = 0}, LongHeader{.dcidLength = 0, .scidLength = 20}}) {
    const std::vector<uint8_t> octets = header.octets();
    for (size_t size = 1; size < header.headerBytes(); ++size) {
      const std::span<const uint8_t> whole(octets);
      const AtHeapEnd datagram(whole.first(size));
      const Invariants seen = Invariants::parse(datagram.span());
      EXPECT_EQ(seen.form, HeaderForm::kMalformed) << "cut at " << size;
      EXPECT_TRUE(seen.version == 0 && seen.dcid.empty() && seen.scid.empty());
    }
  }
}

TEST(Invariants, ALengthBeyondTheEndIsMalformed) {
  for (size_t room = 0; room < 255; ++room) {
    std::vector<uint8_t> octets = LongHeader{.dcidLength = 4, .scidLength = room}.octets();
    octets[10] = static_cast<uint8_t>(room + 1);
    EXPECT_EQ(Invariants::parse(AtHeapEnd(octets).span()).form, HeaderForm::kMalformed) << room;
  }
}

TEST(Invariants, AShortHeaderOfAnySizeIsShortAndHasNoConnectionIdYet) {
  for (size_t size = 1; size <= 64; ++size) {
    const AtHeapEnd datagram(std::vector<uint8_t>(size, 0x40));
    const Invariants seen = Invariants::parse(datagram.span());
    EXPECT_EQ(seen.form, HeaderForm::kShort);
    EXPECT_TRUE(seen.dcid.empty() && seen.scid.empty());
  }
}

TEST(Invariants, ReadsADatagramOf64KiB) {
  expectLong({.payload = 65507 - 23});
  EXPECT_EQ(Invariants::parse(std::vector<uint8_t>(65536, 0x40)).form, HeaderForm::kShort);
}

TEST(ShortHeaderDcid, IsThereExactlyWhenTheDatagramIsLongEnough) {
  for (size_t size = 0; size <= 30; ++size) {
    std::vector<uint8_t> octets(size, 0xd0);
    if (size > 0) octets[0] = 0x40;
    const AtHeapEnd datagram(octets);
    for (size_t length = 0; length <= 40; ++length) {
      const auto dcid = shortHeaderDcid(datagram.span(), length);
      ASSERT_EQ(dcid.has_value(), size >= 1 + length) << size << " octets, length " << length;
      EXPECT_TRUE(!dcid || (dcid->size() == length && isAll(*dcid, 0xd0)));
    }
  }
}

TEST(ShortHeaderDcid, DoesNotOverflowOnAnAbsurdLength) {
  EXPECT_FALSE(shortHeaderDcid(std::vector<uint8_t>(20, 0x40), SIZE_MAX).has_value());
}

}  // namespace
}  // namespace quicproxy
