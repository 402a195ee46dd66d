import { expect, test } from "vitest";
import { formatReport } from "../../host/doctor/text.ts";
import { look } from "./stage/play.ts";
import { startProxy } from "./stage/proxy.ts";
import { BACKEND_PORT, CLIENT, PORT, Stage } from "./stage/stage.ts";

/* A doctor that cries wolf is switched off: through all of a clean load it finds nothing to be done. */

const SECONDS = secondsAsked(process.env.FAULTS_SILENCE_SECONDS ?? "120");
const WINDOW_MS = 10_000;
const GROUP_PORT = PORT + 1;
const TRAIN_PORT = PORT + 2;

/** Anything else would be no time at all, and the test would pass by doing nothing. */
function secondsAsked(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`FAULTS_SILENCE_SECONDS is "${text}"; allowed: whole seconds, 1 to 999999`);
}

/** Seconds of what comes: a busy machine that lets a reader wait loses nothing, as the load is meant to be. */
const ROOM = { buffer: 16 << 20, force: true } as const;

/** A proxy between clients and an echo, a group of sockets with many flows, and trains that a socket takes whole. */
async function load(stage: Stage): Promise<void> {
  const seconds = SECONDS + 60;
  await stage.serve({ echo: true });
  await startProxy(stage, { backends: [{ address: CLIENT, port: BACKEND_PORT }] });
  await stage.receive({ port: GROUP_PORT, members: 4, ...ROOM });
  await stage.receive({ port: TRAIN_PORT, gro: true, ...ROOM });
  await stage.send({ rate: 500, sources: 8, seconds });
  await stage.send({ port: GROUP_PORT, rate: 2000, sources: 64, seconds });
  await stage.send({ port: TRAIN_PORT, rate: 2000, train: 10, seconds });
}

test(`nothing is found through ${SECONDS} s of clean load`, { timeout: (SECONDS + 120) * 1000 }, async () => {
  const stage = new Stage();
  try {
    await load(stage);
    const endMs = performance.now() + SECONDS * 1000;
    while (performance.now() < endMs) {
      const { report } = await look(stage, {}, Math.min(WINDOW_MS, Math.max(1000, endMs - performance.now())));
      expect(report.rates?.arrived, "the load is there").toBeGreaterThan(1000);
      const said = report.findings.filter(({ severity }) => severity === "loss" || severity === "possible");
      expect(said, formatReport(report)).toEqual([]);
      expect(report.exitCode, formatReport(report)).toBe(0);
    }
  } finally {
    await stage.end();
  }
});
