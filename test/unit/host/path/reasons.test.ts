import fc from "fast-check";
import { expect, test } from "vitest";
import { dropsBySocket, placeOf, reasonRows } from "../../../../host/path/reasons.ts";
import type { UdpSocket } from "../../../../host/reading/reading.ts";
import type { Drop } from "../../../../host/reading/witness.ts";
import { drop, witness } from "../reading/drop_fixture.ts";

const at = (reason: string, changes: Partial<Drop> = {}) => placeOf(drop({ reason, ...changes }));

test("reasons by hand-off", () => {
  expect(at("FULL_RING")).toBe("1");
  expect(at("XDP")).toBe("1x");
  expect(at("CPU_BACKLOG")).toBe("2");
  expect([at("IP_RPFILTER"), at("TC_INGRESS"), at("FRAG_SOMETHING_NEW")]).toEqual(["3", "3", "3"]);
  expect(at("NETFILTER_DROP")).toBe("3n");
  expect([at("NO_SOCKET"), at("UDP_CSUM")]).toEqual(["4", "4"]);
  expect([at("SOCKET_RCVBUFF"), at("PROTO_MEM"), at("SOCKET_FILTER")]).toEqual(["5", "5", "5"]);
  expect([at("QDISC_OVERLIMIT"), at("NEIGH_FAILED"), at("FQ_FLOW_LIMIT"), at("TC_EGRESS")]).toEqual([
    "8",
    "8",
    "8",
    "8",
  ]);
  expect([at("OTHERHOST"), at("VLAN_FILTER"), at("UNHANDLED_PROTO")]).toEqual(["not ours", "not ours", "not ours"]);
  expect(at("NOT_SPECIFIED")).toBe("unspecified");
});

test("one check on two ways: by the direction", () => {
  expect([at("NETFILTER_DROP", { direction: "out" }), at("NETFILTER_DROP", { direction: "in" })]).toEqual(["8", "3n"]);
  expect([at("SECURITY_HOOK", { direction: "in" }), at("SECURITY_HOOK", { direction: "out" })]).toEqual(["5", "8"]);
});

test("what is no IP is not ours, whatever the reason", () => {
  expect(at("NOMEM", { family: 0 })).toBe("not ours");
});

test("names of no reason, also those of Object.prototype, are unknown", () => {
  expect([at("PSP_INPUT"), at("constructor"), at(""), at("REASON_300")]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test("rows stand in path order, the most frequent first; unknown reasons have their own before what is not ours", () => {
  const drops = [
    drop({ reason: "OTHERHOST", skbs: 900 }),
    drop({ reason: "NOT_SPECIFIED", skbs: 901 }),
    drop({ reason: "TOMORROWS", skbs: 7 }),
    drop({ reason: "QDISC_DROP", direction: "out", skbs: 1 }),
    drop({ reason: "NO_SOCKET", skbs: 5 }),
    drop({ reason: "SOCKET_FILTER", skbs: 3 }),
    drop({ skbs: 40 }),
    drop({ skbs: 2, cookie: "4" }),
    drop({ namespace: 9, skbs: 1_000 }),
  ];
  const rows = reasonRows(witness({ drops })).map(({ place, reason, skbs }) => [place, reason, skbs]);
  expect(rows).toEqual([
    ["4", "NO_SOCKET", 5],
    ["5", "SOCKET_RCVBUFF", 42],
    ["5", "SOCKET_FILTER", 3],
    ["8", "QDISC_DROP", 1],
    [undefined, "TOMORROWS", 7],
    ["not ours", "OTHERHOST", 900],
    ["unspecified", "NOT_SPECIFIED", 901],
  ]);
});

test("no drop is left out of the rows, and none is in two", () => {
  const arbitrary = fc.record({
    reason: fc.constantFrom(
      "SOCKET_RCVBUFF",
      "NETFILTER_DROP",
      "OTHERHOST",
      "NOT_SPECIFIED",
      "NEW",
      "SECURITY_HOOK",
      "NOMEM",
    ),
    family: fc.constantFrom<0 | 4 | 6>(0, 4, 6),
    direction: fc.constantFrom<Drop["direction"]>("in", "out"),
    skbs: fc.integer({ min: 1, max: 1_000 }),
  });
  fc.assert(
    fc.property(fc.array(arbitrary), (all) => {
      const drops = all.map((each) => drop(each));
      const rows = reasonRows(witness({ drops }));
      expect(rows.flatMap((row) => row.drops)).toHaveLength(drops.length);
      expect(rows.reduce((sum, row) => sum + row.skbs, 0)).toBe(drops.reduce((sum, each) => sum + each.skbs, 0));
    }),
  );
});

test("drops by socket, the most frequent first; one that is closed by now has no socket", () => {
  const socket = { cookie: 17n, localPort: 443 } as UdpSocket;
  const unasked = { localPort: 53 } as UdpSocket;
  const drops = [
    drop({ cookie: "17", skbs: 4 }),
    drop({ cookie: "18", skbs: 9 }),
    drop({ cookie: "17", skbs: 8 }),
    drop(),
  ];
  const found = dropsBySocket(witness({ drops }), [unasked, socket]);
  expect(found.map((each) => [each.cookie, each.socket, each.drops.length])).toEqual([
    ["17", socket, 2],
    ["18", undefined, 1],
  ]);
});
