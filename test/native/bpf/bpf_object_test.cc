#include "bpf/bpf_object.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "bpf/upstream_lookup.h"
#include "io/file_descriptor.h"
#include "upstream_lookup.object.h"

namespace quicproxy {
namespace {

TEST(BpfObject, LoadsAndAttachesTheUpstreamLookup) {
  auto loaded = BpfObject::load(kUpstreamLookupObject, "upstream_lookup");
  if (const auto* refusal = std::get_if<BpfRefusal>(&loaded); refusal != nullptr && refusal->systemError == EPERM) {
    GTEST_SKIP() << refusal->why;
  }
  ASSERT_TRUE(std::holds_alternative<BpfObject>(loaded)) << std::get<BpfRefusal>(loaded).why;
  const BpfObject object = std::get<BpfObject>(std::move(loaded));
  EXPECT_GE(object.map("ports"), 0);
  EXPECT_GE(object.map("sockets"), 0);
  EXPECT_LT(object.map("no such map"), 0);
  EXPECT_EQ(object.program("no such program"), -1);

  const upstream_backend backend{};
  const uint32_t present = 1;
  EXPECT_EQ(setMapElement(object.map("backends"), &backend, &present), 0);
  EXPECT_EQ(deleteMapElement(object.map("backends"), &backend), 0);
  EXPECT_NE(deleteMapElement(object.map("backends"), &backend), 0);

  const FileDescriptor network(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  const FileDescriptor link(attachToNetworkNamespace(object.program("upstream_lookup"), network.get()));
  EXPECT_TRUE(link) << errno;
}

TEST(BpfObject, SaysWhyAnObjectIsRefused) {
  const uint8_t noObject[64] = {1, 2, 3};
  const auto loaded = BpfObject::load(noObject, "nothing");
  ASSERT_TRUE(std::holds_alternative<BpfRefusal>(loaded));
  EXPECT_FALSE(std::get<BpfRefusal>(loaded).why.empty());
}

}  // namespace
}  // namespace quicproxy
