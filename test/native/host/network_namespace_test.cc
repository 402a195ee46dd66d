#include "host/network_namespace.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "io/file_descriptor.h"

namespace {

using quicproxy::FileDescriptor;
using quicproxy::host::enterNetworkNamespace;

TEST(EnterNetworkNamespace, WhatIsNoNetworkNamespaceIsRefused) {
  const FileDescriptor file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(enterNetworkNamespace(file.get())->systemError, EINVAL);
  EXPECT_EQ(enterNetworkNamespace(-1)->systemError, EBADF);
}

TEST(EnterNetworkNamespace, AnotherThreadThanTheMainOneIsRefused) {
  const FileDescriptor own(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  int refused = 0;
  std::thread([&] { refused = enterNetworkNamespace(own.get())->systemError; }).join();
  EXPECT_EQ(refused, EPERM);
}

TEST(EnterNetworkNamespace, OnesOwnCanBeEnteredWithTheRightTo) {
  const FileDescriptor own(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  const auto refusal = enterNetworkNamespace(own.get());
  if (refusal && refusal->systemError == EPERM) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  EXPECT_FALSE(refusal.has_value());
}

}  // namespace
