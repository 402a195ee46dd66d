#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "../abi/contract_sample.h"
#include "echo_backends.h"
#include "presence.h"
#include "worker/data_plane.h"

namespace quicproxy::soak {

/// The control thread of the soak: the contracts that it applies one after the other, each a step away from the last.
class ReloadStorm {
 public:
  ReloadStorm(Presence& presence, const EchoBackends& backends, const std::array<uint16_t, kListeners>& ports);

  [[nodiscard]] std::vector<uint8_t> contract(UpstreamLevel level, Mode mode);

  /// One step and one look at the plane, as the control side takes it. A new kind of step goes into kSteps.
  void step(DataPlane& plane);

  struct Figures {
    uint64_t applied = 0;
    uint64_t postponed = 0;  ///< a port whose former sockets some worker still drained
    uint64_t samples = 0;
    std::vector<std::string> failures;
  };
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  using Step = void (ReloadStorm::*)(DataPlane&);
  static const std::vector<Step> kSteps;

  void toggleBackend(DataPlane& plane);
  void toggleListener(DataPlane& plane);
  void changeWeights(DataPlane& plane);
  void changeSettings(DataPlane& plane);
  void changeWorkers(DataPlane& plane);
  void refuse(DataPlane& plane);
  bool apply(DataPlane& plane);
  void look(DataPlane& plane);
  void layOut();
  [[nodiscard]] uint32_t random(uint32_t below) { return static_cast<uint32_t>(random_() / 7 % below); }

  Presence& presence_;
  const EchoBackends& backends_;
  std::array<uint16_t, kListeners> ports_;
  ContractSample sample_;
  std::bitset<kBackends> backendsIn_;
  std::bitset<kListeners> listenersIn_;
  std::array<uint32_t, kBackends> weights_{};
  Random random_{11};
  Figures figures_;
};

}  // namespace quicproxy::soak
