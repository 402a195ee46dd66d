import { expect, it } from "vitest";
import { readEthtool } from "../../../../../host/reading/live/read_ethtool.ts";
import { u32s, u64s } from "../netlink/octets.ts";
import { FakeSystem, refuse } from "./fake_system.ts";

/** A driver that has another number of statistics at each call, the last one from then on. */
function driverWith(counts: readonly number[]): FakeSystem {
  const system = new FakeSystem();
  let call = 0;
  system.onEthtool = (_, request, answerBytes) => {
    const count = counts[Math.min(call++, counts.length - 1)]!;
    const command = request[0];
    if (command === 0x37) return u32s(0x37, 0, 2, 0, count);
    const values = Array.from({ length: count }, (_, place) => BigInt(place));
    const names = values.map((value) => Buffer.concat([Buffer.from(`n${value}`), Buffer.alloc(32)], 32));
    const answer = command === 0x1b ? [u32s(0x1b, 1, count), ...names] : [u32s(0x1d, count), u64s(...values)];
    return Buffer.concat(answer, answerBytes);
  };
  return system;
}

it("reads statistics as ethtool prints them", () => {
  expect(readEthtool(driverWith([2]), "eth0", "stats")).toEqual({ text: "NIC statistics:\n     n0: 0\n     n1: 1\n" });
});

it("queues that come between two calls are read with the next attempt", () => {
  expect(readEthtool(driverWith([2, 2, 3]), "eth0", "stats")).toMatchObject({ text: expect.stringContaining("n2: 2") });
});

it("a driver that is never the same is told", () => {
  expect(readEthtool(driverWith([1, 2, 3, 4, 5, 6, 7, 8, 9]), "eth0", "stats")).toEqual({
    error: "the driver's statistics became more or fewer each time while they were read",
  });
});

it("a driver without statistics tells none, and one that claims too many is not believed", () => {
  expect(readEthtool(driverWith([0]), "eth0", "stats")).toEqual({ error: "the driver does not tell (EOPNOTSUPP)" });
  expect(readEthtool(driverWith([4_000_000_000]), "eth0", "stats")).toMatchObject({
    error: expect.stringContaining("4000000000"),
  });
});

it.each([
  ["ENODEV", "the interface is gone (ENODEV)"],
  ["EOPNOTSUPP", "the driver does not tell (EOPNOTSUPP)"],
  ["EPERM", "not allowed (EPERM): needs CAP_NET_ADMIN"],
  ["EFAULT", "the kernel refused it: EFAULT"],
])("%s is said as what it means", (code, error) => {
  const system = new FakeSystem();
  system.onEthtool = () => refuse(code);
  for (const what of ["stats", "driver", "rings", "channels"] as const) {
    expect(readEthtool(system, "eth0", what)).toEqual({ error });
  }
});
