import { expect } from "vitest";
import { type Delta, expectMoves, type Scene, settle } from "./counter_rows.ts";
import { SOCKET_PER_FLOW } from "./proxy.ts";
import { type RawDatagrams, sendRaw } from "./raw_udp.ts";

export interface Burst extends RawDatagrams {
  /** The backend sends back what it gets. */
  echoed?: boolean;
  /** How many datagrams that is, and how many of them reach the backend, no two of one flow in a row. */
  count: number;
  forwarded: number;
  moves: Delta;
}

/** Sends short headers in a burst: it alone decides how many arrive in one receive call. */
export async function playBurst({ network, proxy }: Scene, burst: Burst): Promise<void> {
  const { payload, count, forwarded, moves } = burst;
  const before = await settle(proxy, () => true);
  sendRaw(network.topology, burst);
  const enough = before.totals.receive_datagrams + count;
  const returned = burst.echoed ? forwarded : 0;
  const enoughReturned = before.totals.return_received + returned;
  const after = await settle(proxy, ({ totals }) => {
    return totals.receive_datagrams === enough && totals.return_received === enoughReturned;
  });
  const batches = after.totals.receive_batches - before.totals.receive_batches;
  const forwardCalls = after.totals.forward_calls - before.totals.forward_calls;
  const returnCalls = after.totals.return_calls - before.totals.return_calls;
  expect(forwardCalls).toBeLessThanOrEqual(forwarded);
  expect(forwardCalls).toBeGreaterThanOrEqual(SOCKET_PER_FLOW ? forwarded : Math.min(1, forwarded));
  // No socket has the source ports: the client's kernel says so to what is returned, at a rate of its own.
  const icmpErrors = after.totals.receive_icmp_errors - before.totals.receive_icmp_errors;
  expect(returnCalls).toBeLessThanOrEqual(returned + icmpErrors);
  expect(batches).toBeGreaterThanOrEqual(Math.ceil(count / after.status.batch));
  expect(batches).toBeLessThanOrEqual(count);
  expectMoves(before, after, {
    receive_datagrams: count,
    receive_bytes: count * payload.length,
    receive_batches: batches,
    parse_short_header: count,
    forward_sent: forwarded,
    forward_bytes: forwarded * payload.length,
    forward_calls: forwardCalls,
    return_received: returned,
    return_received_bytes: returned * payload.length,
    return_sent: returned,
    return_bytes: returned * payload.length,
    return_calls: returnCalls,
    receive_icmp_errors: icmpErrors,
    ...moves,
  });
}
