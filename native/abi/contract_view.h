#pragma once

#include <cstdint>
#include <span>

#include "abi/contract.h"

namespace quicproxy {

struct ParsedContract;

/// Typed access to a contract buffer that was found to be sound. A view: the buffer must outlive it and nobody may
/// write to it any more, so parse a copy of what came from JavaScript.
class ContractView {
 public:
  /// Bound of the 32-bit millisecond clock that ages table entries (route/index_table.h).
  static constexpr uint32_t kMaxIdleTimeoutMs = uint32_t{1} << 30;
  /// Longest Connection ID of QUIC v1 and v2 (RFC 9000 section 17.2).
  static constexpr uint8_t kMaxCidLength = 20;

  ContractView() = default;

  /// Checks every field of every record; reads nothing beyond the span, whatever the fields say.
  [[nodiscard]] static ParsedContract parse(std::span<const uint8_t> buffer) noexcept;

  [[nodiscard]] const ContractHeader& header() const { return header_; }
  [[nodiscard]] uint32_t endpointCount() const { return header_.endpointCount; }
  [[nodiscard]] uint32_t backendCount() const { return header_.backendCount; }
  [[nodiscard]] uint32_t quicLbCount() const { return header_.quicLbCount; }
  [[nodiscard]] uint32_t serverIdCount() const { return header_.serverIdCount; }
  /// index < endpointCount()
  [[nodiscard]] EndpointRecord endpoint(uint32_t index) const;
  /// index < backendCount()
  [[nodiscard]] BackendRecord backend(uint32_t index) const;
  /// index < quicLbCount()
  [[nodiscard]] QuicLbRecord quicLb(uint32_t index) const;
  /// index < serverIdCount()
  [[nodiscard]] ServerIdRecord serverId(uint32_t index) const;

 private:
  std::span<const uint8_t> buffer_;
  ContractHeader header_{};
};

struct ParsedContract {
  ContractView view;            ///< empty if there is an error
  const char* error = nullptr;  ///< "field: what is allowed", null if the contract is sound
  uint32_t index = 0;           ///< of the record that `error` speaks of
};

}  // namespace quicproxy
