#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "route/flow.h"

namespace quicproxy {

/*
 * What tells a client from somebody who writes another's address into his datagrams.
 *
 * Proof: it uses a Connection ID that its backend chose on this very flow, which nobody sees who does not receive
 * there. Or its backend, known to speak QUIC, sends more than it may to an address that it has not validated itself:
 * clients that have a further ID before they answer (quic-go) never use the one that could be seen. Where the backend
 * shows none (zero-length IDs, a flow that began in the middle of its connection, no QUIC at all) there is only a sign:
 * the client goes on after answers, over seconds and several round trips. Who knows when answers leave can imitate
 * that, at the price of a datagram per round trip and of never learning what came back.
 */

/// Round trips that stand for a proof, and how far apart they are at least.
inline constexpr uint8_t kProvingRounds = 4;
inline constexpr uint32_t kRoundMs = 1000;

/// Round trips after which a moved path gets all that its backend returns. A server validates the path itself (RFC 9000
/// section 9.3) and then sends what its window holds, after one round trip: to let less pass for a second one lost that
/// window's rest, and connections of quic-go with it.
inline constexpr uint8_t kMovedPathRounds = 1;

/// Octets that a moved path gets beside three times what came from it: three datagrams of the size that a server's
/// PATH_CHALLENGE has (RFC 9000 section 8.2.1). A strict three times what came, often one small acknowledgement, lost
/// the challenge of servers that pad it, and connections stood for seconds.
inline constexpr uint16_t kPathAllowance = 3 * 1200;

/// What some servers send to an address that is not validated beside three times what came (RFC 9000 section 8.1).
inline constexpr uint16_t kTrustAllowance = 3 * 1200;

/// A flow that is not confirmed ends after so long without a datagram, or after the idle timeout where that is shorter.
/// QUIC clients repeat their first flight within half of it; keep-alives of 25 s are common.
inline constexpr uint32_t kUnconfirmedIdleMs = 30'000;

enum class Progress : uint8_t { kNone, kRound, kProven };

namespace path_proof {

/// 65 s are enough to tell one second.
inline uint16_t ticks(uint32_t nowMs) { return static_cast<uint16_t>(nowMs >> 4); }

inline void begin(FlowHistory& history, uint32_t nowMs) {
  history.roundAt = static_cast<uint16_t>(ticks(nowMs) - (kRoundMs >> 4));
  history.allowance = kTrustAllowance;
}

inline void move(Flow& flow, FlowHistory& history) {
  flow.set(kFlowMoved);
  history.allowance = kPathAllowance;
}

inline void settle(Flow& flow) {
  flow.clear(kFlowMoved);
  flow.set(kFlowSettled);
}

inline void creditMoved(Flow& flow, FlowHistory& history, size_t datagramBytes, bool wentOn) {
  const size_t allowance = history.allowance + 3 * datagramBytes;
  history.allowance = static_cast<uint16_t>(std::min<size_t>(allowance, UINT16_MAX));
  if (wentOn && ++history.movedRounds >= kMovedPathRounds) settle(flow);
}

/// A datagram came from the client. kProven for the weaker sign only. Where an ID was shown that the client does not
/// use (some take a further one at once) the sign keeps the flow as long as a confirmed one, and it gives way all the
/// same.
inline Progress clientSent(Flow& flow, FlowHistory& history, size_t datagramBytes, uint32_t nowMs) {
  const bool wentOn = flow.is(kFlowReturnedTo);
  flow.clear(kFlowReturnedTo);
  if (flow.is(kFlowMoved)) {
    creditMoved(flow, history, datagramBytes, wentOn);
  } else if (!flow.is(kFlowConfirmed)) {
    history.allowance = static_cast<uint16_t>(std::min<size_t>(history.allowance + 3 * datagramBytes, UINT16_MAX));
  }
  const bool needsId = history.vouched != 0 && !flow.is(kFlowIdPending);
  if (!wentOn || flow.is(kFlowConfirmed)) return Progress::kNone;
  if (static_cast<uint16_t>(ticks(nowMs) - history.roundAt) < (kRoundMs >> 4)) return Progress::kNone;
  history.roundAt = ticks(nowMs);
  if (history.rounds < kProvingRounds) history.rounds++;
  if (history.rounds < kProvingRounds) return Progress::kRound;
  if (!needsId) return Progress::kProven;
  flow.set(kFlowSettled);
  return Progress::kRound;
}

/// Something is about to be returned. False: it may not be, three times what came and the allowance are used up.
inline bool mayReturn(Flow& flow, FlowHistory& history, size_t datagramBytes) {
  if (flow.is(kFlowMoved)) {
    if (datagramBytes > history.allowance) return false;
    history.allowance = static_cast<uint16_t>(history.allowance - datagramBytes);
  }
  return true;
}

/// Something came from a backend. True where it takes the address for validated: a QUIC server sends no more than three
/// times what came to one that is not (RFC 9000 section 8.1). The allowance is for what some send beyond that.
inline bool backendTrusts(const Flow& flow, FlowHistory& history, size_t datagramBytes) {
  if (flow.is(kFlowConfirmed) || flow.is(kFlowMoved) || flow.is(kFlowIdPending) || history.vouched == 0) return false;
  if (datagramBytes > history.allowance) return true;
  history.allowance = static_cast<uint16_t>(history.allowance - datagramBytes);
  return false;
}

inline uint32_t idleMs(const Flow& flow, uint32_t idleTimeoutMs) {
  const bool keeps = flow.is(kFlowConfirmed) || flow.is(kFlowSettled);
  return keeps ? idleTimeoutMs : std::min(idleTimeoutMs, kUnconfirmedIdleMs);
}

}  // namespace path_proof

}  // namespace quicproxy
