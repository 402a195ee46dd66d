import fc from "fast-check";
import { expect, test } from "vitest";
import { compareWitness, weaknessOf } from "../../../../host/path/agreement.ts";
import type { Drop, Witness } from "../../../../host/reading/witness.ts";
import { drop, witness } from "../reading/drop_fixture.ts";
import { type Changes, measures } from "./measures_fixture.ts";

const compare = (changes: Changes, drops: readonly Drop[], more: Partial<Witness> = {}) =>
  compareWitness(measures(changes), witness({ drops, ...more }));

/** The one agreement that there is. */
function only(changes: Changes, drops: readonly Drop[], more: Partial<Witness> = {}) {
  const all = compare(changes, drops, more);
  expect(all).toHaveLength(1);
  return all[0]!;
}

test("both silent: nothing to say", () => {
  expect(compare({}, [])).toEqual([]);
  expect(compareWitness(measures({ udp4: { receiveBufferErrors: 5 } }), undefined)).toEqual([]);
  expect(compare({ udp4: { receiveBufferErrors: 5 } }, [], { level: "counters" })).toEqual([]);
});

test("equal within what the readings take: confirmed", () => {
  const said = only({ udp4: { receiveBufferErrors: 36_000 }, udp6: { receiveBufferErrors: 324 } }, [
    drop({ skbs: 36_900 }),
  ]);
  expect(said).toMatchObject({
    cause: "socket-buffer",
    handOff: "5",
    kind: "equal",
    isConfirmed: true,
    counted: 36_324,
  });
  expect(said.text).toBe("confirmed by the kernel's drop reason SOCKET_RCVBUFF: 36,900 against 36,324 by RcvbufErrors");
});

test("a few more or less are equal whatever their share; more are not", () => {
  expect(only({ udp4: { noPorts: 1 } }, [drop({ reason: "NO_SOCKET", skbs: 10 })]).kind).toBe("equal");
  const apart = only({ udp4: { noPorts: 100 } }, [drop({ reason: "NO_SOCKET", skbs: 150 })]);
  expect(apart).toMatchObject({ kind: "apart", isConfirmed: false });
  expect(apart.text).toBe("the kernel's drop reason NO_SOCKET says 150, NoPorts says 100");
});

test("receive offload: both numbers are said (E3)", () => {
  const said = only({ udp4: { receiveBufferErrors: 3_109 } }, [drop({ skbs: 3_109, datagrams: 31_090 })]);
  expect(said).toMatchObject({ kind: "offload", isConfirmed: true, skbs: 3_109, datagrams: 31_090 });
  expect(said.text).toContain("each was 10.0 datagrams, so that 31,090 were lost");
});

test("the rest of InErrors is a filter's (E13)", () => {
  const said = only({ udp4: { otherErrors: 2_000 } }, [drop({ reason: "SOCKET_FILTER", skbs: 2_000 })]);
  expect(said).toMatchObject({ cause: "socket-filter", handOff: "5", kind: "equal", isConfirmed: true });
});

test("memory that the kernel refused without counting it (6.18)", () => {
  const drops = [drop({ reason: "PROTO_MEM", skbs: 700 })];
  for (const memoryErrors of [0, undefined]) {
    const said = only({ udp4: { memoryErrors }, udp6: { memoryErrors } }, drops);
    expect(said).toMatchObject({ cause: "memory", kind: "invisible memory", isConfirmed: false, datagrams: 700 });
    expect(said.text).toContain("820990d66577");
  }
  expect(only({ udp4: { memoryErrors: 700 } }, drops).kind).toBe("equal");
});

test("rx_dropped of frames that nobody wants is not ours (C9, C10, C28)", () => {
  const said = only({ link: { rx_dropped: 500 } }, [drop({ reason: "UNHANDLED_PROTO", family: 0, skbs: 500 })]);
  expect(said).toMatchObject({ cause: "not-ours", handOff: undefined, kind: "not ours", isConfirmed: false });
});

test("a device counts a loss of which the kernel knows nothing: before any skb", () => {
  expect(only({ link: { rx_missed_errors: 4_954, rx_fifo_errors: 4_954 } }, [])).toMatchObject({
    cause: "device",
    handOff: "1",
    kind: "before skb",
    counted: 4_954,
  });
  expect(only({ link: { rx_dropped: 48 } }, []).kind).toBe("before skb");
});

test("what a CPU's backlog refuses is counted at the device, too: once here", () => {
  const said = only({ backlog: 1_000, link: { rx_dropped: 1_000 } }, [drop({ reason: "CPU_BACKLOG", skbs: 1_000 })]);
  expect(said).toMatchObject({ cause: "backlog", handOff: "2", kind: "equal", isConfirmed: true });
});

test("counters that count more than UDP: confirmed for its part (E11, E18)", () => {
  const drops = [drop({ reason: "NETFILTER_DROP", skbs: 2_000 }), drop({ reason: "IP_RPFILTER", skbs: 500 })];
  const all = compare({ ip4: { eaten: 3_500, reversePathFiltered: 500 } }, drops);
  expect(all.map(({ cause, kind, isConfirmed, counted }) => [cause, kind, isConfirmed, counted])).toEqual([
    ["reverse-path", "equal", true, 500],
    ["eaten", "part", true, 3_000],
  ]);
  expect(all[1]?.text).toBe(
    "confirmed by the kernel's drop reason NETFILTER_DROP for 2,000 UDP datagrams of the 3,000 by InReceives without InDelivers",
  );
});

test("reasons that no counter shows: tc, generic XDP, and names of tomorrow", () => {
  const drops = [
    drop({ reason: "TC_EGRESS", direction: "out" }),
    drop({ reason: "XDP", skbs: 9 }),
    drop({ reason: "TOMORROWS", skbs: 5 }),
  ];
  const said = compare({}, drops).map(({ cause, handOff, kind, reasons, skbs }) => [
    cause,
    handOff,
    kind,
    reasons[0],
    skbs,
  ]);
  expect(said).toEqual([
    [undefined, "1x", "uncounted", "XDP", 9],
    [undefined, "8", "uncounted", "TC_EGRESS", 100],
    [undefined, undefined, "uncounted", "TOMORROWS", 5],
  ]);
});

test("sending: qdisc (E9), neighbour (E20)", () => {
  const send = {
    qdiscDrops: [{ interfaceIndex: 2, kind: "tbf", drops: 1_889 }],
    neighbourDiscards: { arp: 7_816, ndisc: undefined },
  };
  const drops = [
    drop({ reason: "QDISC_DROP", direction: "out", skbs: 1_889 }),
    drop({ reason: "NEIGH_QUEUEFULL", direction: "out", skbs: 7_816 }),
    drop({ reason: "NEIGH_FAILED", direction: "out", skbs: 93 }),
  ];
  expect(compare({ send }, drops).map(({ cause, kind, isConfirmed }) => [cause, kind, isConfirmed])).toEqual([
    ["qdisc", "equal", true],
    ["neighbour", "equal", true],
    [undefined, "uncounted", false],
  ]);
});

test("a counter for which the kernel gave no reason is not confirmed", () => {
  expect(only({ udp4: { receiveBufferErrors: 900 } }, [])).toMatchObject({ kind: "unexplained", isConfirmed: false });
});

test.each([
  ["lost", { lost: 60 }, "60 of 1,060 drops could not be looked at"],
  ["missed", { missed: 60 }, "60 of 1,060 drops could not be looked at"],
  ["unreadable", { unreadable: 60 }, "60 of 1,060 drops could not be looked at"],
])("weak evidence confirms nothing: %s", (_, more, why) => {
  const said = only({ udp4: { receiveBufferErrors: 1_000 } }, [drop({ skbs: 1_000 })], more);
  expect(said).toMatchObject({ kind: "equal", isConfirmed: false });
  expect(said.text).toContain(`said by the kernel's drop reason SOCKET_RCVBUFF`);
  expect(said.text).toContain(`evidence weak: ${why}`);
});

test("what has no reason makes evidence weak, and is no agreement of its own", () => {
  const drops = [drop({ skbs: 1_000 }), drop({ reason: "NOT_SPECIFIED", skbs: 60 })];
  expect(only({ udp4: { receiveBufferErrors: 1_000 } }, drops).text).toContain("60 of 1,060 drops have no reason");
  expect(
    weaknessOf(witness({ drops: [drop({ skbs: 1_000 }), drop({ reason: "NOT_SPECIFIED", skbs: 50 })] })),
  ).toBeUndefined();
});

test("full sockets alone: nothing is said of other causes", () => {
  const changes = { udp4: { receiveBufferErrors: 1_000, noPorts: 500 }, ip4: { eaten: 3 }, link: { rx_dropped: 3 } };
  expect(only(changes, [drop({ skbs: 1_000 })], { level: "udp_fail" }).cause).toBe("socket-buffer");
});

test("a witness that ended in a storm is extrapolated", () => {
  const stopped = { seconds: 1, stopped: { eventsPerSecond: 300_000 } };
  const said = only({ udp4: { receiveBufferErrors: 3_100_000 } }, [drop({ skbs: 300_000 })], stopped);
  expect(said).toMatchObject({ kind: "equal", isConfirmed: true, skbs: 3_000_000 });
  const late = only({ udp4: { receiveBufferErrors: 3_100_000 } }, [drop({ skbs: 30_000 })], { ...stopped, seconds: 5 });
  expect(late).toMatchObject({ kind: "part", isConfirmed: true });
  expect(late.text).toContain("for 30,000 UDP datagrams of the 3,100,000 by RcvbufErrors");
});

test("every drop with a reason is in exactly one agreement, whatever was dropped", () => {
  const names =
    "FULL_RING XDP CPU_BACKLOG TC_INGRESS IP_RPFILTER FRAG_REASM_TIMEOUT NETFILTER_DROP NO_SOCKET UDP_CSUM ";
  const more =
    "SOCKET_FILTER SOCKET_RCVBUFF PROTO_MEM SOCKET_CLOSE QDISC_DROP NEIGH_FAILED OTHERHOST NEW NOMEM TC_EGRESS";
  const arbitrary = fc.record({
    reason: fc.constantFrom(...`${names}${more}`.split(" ")),
    family: fc.constantFrom<0 | 4 | 6>(0, 4, 6),
    direction: fc.constantFrom<Drop["direction"]>("in", "out"),
    skbs: fc.integer({ min: 1, max: 10_000 }),
  });
  fc.assert(
    fc.property(fc.array(arbitrary), (all) => {
      const sum = compare(
        {},
        all.map((each) => drop(each)),
      ).reduce((skbs, said) => skbs + said.skbs, 0);
      expect(sum).toBe(all.reduce((skbs, each) => skbs + each.skbs, 0));
    }),
  );
});
