import { describe, expect, it } from "vitest";
import {
  channelsOf,
  driverOf,
  ringsOf,
  statNamesCall,
  statNamesOf,
  statsCountCall,
  statsCountOf,
  statValuesCall,
  statValuesOf,
} from "../../../../../host/reading/ethtool/structs.ts";
import {
  formatChannels,
  formatDriver,
  formatRings,
  formatStats,
  parseChannels,
  parseDriver,
  parseRings,
  parseStats,
} from "../../../../../host/reading/ethtool/text.ts";
import { u32s, u64s } from "../netlink/octets.ts";

const padded = (text: string, bytes: number): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(bytes)], bytes);

describe("structs", () => {
  it("statistics: names and values as many as were asked for, otherwise nothing", () => {
    expect(statsCountOf(u32s(0x37, 0, 2, 0, 3))).toBe(3);
    expect(statsCountOf(u32s(0x37, 0, 0, 0, 9))).toBe(0);
    const names = Buffer.concat([u32s(0x1b, 1, 2), padded("rx_drops", 32), padded("x".repeat(40), 32)]);
    expect(statNamesOf(names, 2)).toEqual(["rx_drops", "x".repeat(32)]);
    expect(statNamesOf(names, 3)).toBeUndefined();
    const values = Buffer.concat([u32s(0x1d, 2), u64s(1n, (1n << 64n) - 1n)]);
    expect(statValuesOf(values, 2)).toEqual([1n, 18446744073709551615n]);
    expect(statValuesOf(values, 1)).toBeUndefined();
  });

  it("calls say how many statistics there is room for", () => {
    expect(statsCountCall.request).toHaveLength(20);
    expect(Buffer.from(statNamesCall(5).request)).toEqual(u32s(0x1b, 1, 5));
    expect(statNamesCall(5).answerBytes).toBe(12 + 160);
    expect(Buffer.from(statValuesCall(5).request)).toEqual(u32s(0x1d, 5));
    expect(statValuesCall(5).answerBytes).toBe(48);
  });

  it("driver, rings and channels come back from the text that ethtool would print", () => {
    const driver = driverOf(
      Buffer.concat([u32s(3), padded("ena", 32), padded("2.8", 32), padded("", 32), padded("0000:00:05.0", 96)]),
    );
    expect(parseDriver(formatDriver(driver))).toEqual({ value: { name: "ena", version: "2.8", bus: "0000:00:05.0" } });
    const rings = ringsOf(u32s(0x10, 4096, 0, 0, 2048, 512, 0, 0, 256));
    expect(parseRings(formatRings(rings))).toEqual({ value: { rx: 512, rxMax: 4096, tx: 256, txMax: 2048 } });
    const channels = channelsOf(u32s(0x3c, 0, 0, 1, 8, 0, 0, 1, 4));
    expect(parseChannels(formatChannels(channels))).toEqual({ value: { rx: 4, rxMax: 8 } });
  });
});

describe("texts of ethtool", () => {
  it("statistics: names that repeat, hold blanks and colons, in the driver's order", () => {
    const text = [
      "NIC statistics:",
      "     Rx Queue#: 0",
      "       pkts rx OOB: 7",
      "     [0]: rx_discards: 12",
      "       pkts rx OOB: 8",
      "     rx_drops:9",
      "",
    ].join("\n");
    expect(parseStats(text)).toEqual({
      value: [
        { name: "Rx Queue#", value: 0n },
        { name: "pkts rx OOB", value: 7n },
        { name: "[0]: rx_discards", value: 12n },
        { name: "pkts rx OOB", value: 8n },
        { name: "rx_drops", value: 9n },
      ],
    });
  });

  it("statistics: written, they are read again", () => {
    expect(parseStats(formatStats(["a", "b: c"], [1n, 2n])).value).toEqual([
      { name: "a", value: 1n },
      { name: "b: c", value: 2n },
    ]);
    expect(parseStats("NIC statistics:\n")).toEqual({ value: [] });
    expect(parseStats("no stats available\n")).toMatchObject({ value: undefined, reason: expect.any(String) });
  });

  it("channels: n/a is none; of a driver that has both kinds the maximum is the greater", () => {
    const text = (rx: string, combined: string, now: string): string =>
      `Channel parameters for eth0:\nPre-set maximums:\nRX:\t\t${rx}\nTX:\t\tn/a\nOther:\t\t1\nCombined:\t${combined}\n` +
      `Current hardware settings:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\t1\nCombined:\t${now}\n`;
    expect(parseChannels(text("n/a", "63", "2"))).toEqual({ value: { rx: 2, rxMax: 63 } });
    expect(parseChannels(text("16", "16", "16"))).toEqual({ value: { rx: 16, rxMax: 16 } });
  });

  it("rings: those for small and jumbo frames are others", () => {
    const text =
      "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nRX Mini:\t1\nRX Jumbo:\t2\nTX:\t\t4096\nTX push buff len:\tn/a\n" +
      "Current hardware settings:\nRX:\t\t512\nRX Mini:\t1\nRX Jumbo:\t2\nTX:\t\t512\n";
    expect(parseRings(text)).toEqual({ value: { rx: 512, rxMax: 4096, tx: 512, txMax: 4096 } });
  });

  it.each([parseDriver, parseRings, parseChannels])("what is no such text is said to be none", (parse) => {
    expect(parse("netlink error: No such device\n")).toMatchObject({ value: undefined, reason: expect.any(String) });
  });
});
