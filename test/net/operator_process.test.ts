import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Network } from "./network.ts";
import type { Place } from "./place.ts";
import { listeningPorts, untilHandlers, untilTrue } from "./process.ts";
import type { Program, ProgramOptions } from "./program.ts";

/* The operator as a process: signals, debugger and log, with an API server that never answers. */

const operator = resolve(import.meta.dirname, "../../operator/main.ts");
const HTTP = "http://127.0.0.1:8080";
const NO_API_SERVER = `{ apiVersion: v1, kind: Config, current-context: none,
  contexts: [{ name: none, context: { cluster: none, user: none } }],
  clusters: [{ name: none, cluster: { server: "https://127.0.0.1:1" } }], users: [{ name: none, user: {} }] }`;

let network: Network;
let kubeconfig: Place;

beforeAll(() => {
  network = new Network();
});
afterAll(() => network.remove());
beforeEach(() => {
  kubeconfig = network.host.place(NO_API_SERVER);
});
afterEach(() => network.host.clear("SIGKILL"));

function launch(options: Partial<ProgramOptions> = {}): Program {
  const { env, ...others } = options;
  return network.host.launch(["--image", "quicproxy", "--leader-elect=false", "--metrics", "127.0.0.1:8080"], {
    command: [process.execPath, operator],
    env: { KUBECONFIG: kubeconfig.file, ...env },
    ...others,
  });
}

async function isHealthy(): Promise<boolean> {
  try {
    return (await network.edge.fetch(`${HTTP}/healthz`)).status === 200;
  } catch {
    return false;
  }
}

async function start(options: Partial<ProgramOptions> = {}): Promise<Program> {
  const running = launch(options);
  await untilTrue("it is healthy", isHealthy, 20);
  return running;
}

describe("signals", () => {
  test("early_sighup and sigusr1: neither they nor others without a meaning end it, and no debugger listens", async () => {
    const running = launch();
    await untilHandlers(running.pid);
    const signals = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGIO", "SIGPIPE"] as const;
    for (const signal of signals) running.process.kill(signal);
    await untilTrue("it is healthy", isHealthy, 20);
    for (const signal of signals) running.process.kill(signal);
    await untilTrue("SIGHUP is answered", () => running.output.includes("SIGHUP has no effect"), 20);
    expect(await isHealthy()).toBe(true);
    expect(listeningPorts(running.pid)).toEqual([8080]);
    expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
  });

  test.each(["SIGTERM", "SIGINT"] as const)("%s while it starts ends it with 0", async (signal) => {
    const running = launch();
    await untilHandlers(running.pid);
    expect(await running.stop(signal)).toMatchObject({ code: 0, stderr: "" });
  });

  test("a debugger that NODE_OPTIONS asks for is closed, and that is said", async () => {
    const running = await start({ env: { NODE_OPTIONS: "--inspect" } });
    expect(listeningPorts(running.pid)).toEqual([8080]);
    expect((await running.stop()).stderr).toContain("quicproxy-operator: the debugger on 127.0.0.1:9229 was closed");
  });
});

test("log_full: it starts, works and ends although nothing can be written, and counts the lines", async () => {
  const full = openSync("/dev/full", "w");
  try {
    const running = await start({ stdout: full });
    await untilTrue("lines are lost", async () => {
      const { body } = await network.edge.fetch(`${HTTP}/metrics`);
      return Number(/^quicproxy_operator_log_lines_lost_total (\d+)$/m.exec(body)?.[1]) > 0;
    });
    expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
  } finally {
    closeSync(full);
  }
});
