import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QuicGoPrograms } from "../../proxy/lab/quicgo.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, type IdLayout, type QuicGoLab } from "./quicgo/lab.ts";

/* quic-go servers with QUIC-LB Connection IDs: connections survive whatever their clients do, new IDs included. */

const key = "8f95f09245765f80256934e50c66207f";
const layouts: Record<string, IdLayout> = {
  "in plain text": { rotation: 0, serverIdLength: 8, nonceLength: 7 },
  "in a single pass": { rotation: 3, serverIdLength: 8, nonceLength: 8, key },
  "in four passes": { rotation: 6, serverIdLength: 5, nonceLength: 10, key },
};
const afterOctets = 192 * 1024;
let programs: QuicGoPrograms;

beforeAll(() => {
  programs = buildQuicGo();
}, 900_000);

describe.each(Object.entries(layouts))("server IDs %s", (_, ids) => {
  let lab: QuicGoLab;
  beforeAll(async () => {
    lab = await createQuicGoLab({ programs, ids });
  });
  afterAll(() => lab?.remove());

  test.each([
    ["rebind", "v4"],
    ["rebind", "v6"],
    ["migrate", "v4"],
    ["migrate", "v6"],
  ] as const)("20 of 20 connections %s three times over IP%s", async (kind, family) => {
    const { own, alternate } = lab.topology.client;
    const change = { kind, afterOctets, times: 3 };
    const report = await lab.run(family, { change, locals: [own[family], alternate[family]] });
    expect(faultsOf(report)).toEqual([]);
    expect(report.connections.map(({ paths }) => paths.length)).toEqual(report.connections.map(() => 4));
  });
});
