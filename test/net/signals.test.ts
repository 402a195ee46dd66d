import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Network } from "./network.ts";
import type { Place } from "./place.ts";
import { catches, childOf, hasLoaded, listeningPorts, untilHandlers, untilTrue } from "./process.ts";
import { messagesOf, type Program, program } from "./program.ts";
import { manifest, type ProxyPlan, type ProxyProcess } from "./proxy.ts";

/* Signals at every moment of a proxy's life: they do what is documented, and nothing else ever ends it. */

const ADDON = "quicproxy.node";
const DEBUGGER_PORT = 9229;
const PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
/** Moments of a start, in milliseconds after the first handler is there; a start takes some 400 ms and more. */
const MOMENTS_MS = [0, 50, 100, 150, 200, 250, 300, 400, 500, 700];

let network: Network;
let place: Place;

beforeAll(() => {
  network = new Network();
});
afterAll(() => network.remove());
beforeEach(() => {
  place = network.host.place(good());
});
afterEach(() => network.host.clear("SIGKILL"));

const good = (metricsPort = 9464): string =>
  manifest({
    backends: [network.service()],
    metrics: { address: "127.0.0.1", port: metricsPort },
  });

const launch = (wrapper: readonly string[] = []): Program => network.host.launch(place.runArguments(), { wrapper });
const start = (options: Partial<ProxyPlan> = {}): Promise<ProxyProcess> => network.host.start(place, options);

describe("early_sighup", () => {
  test("a SIGHUP before anything is loaded lets it start, and is answered once it can be", async () => {
    const early = launch();
    await untilHandlers(early.pid);
    expect(hasLoaded(early.pid, ADDON)).toBe(false);
    early.process.kill("SIGHUP");
    await untilTrue("the reload is said", () => early.output.includes("manifest unchanged"), 20);
    expect(await early.stop()).toMatchObject({ code: 0, stderr: "" });
  });

  test("SIGHUPs in a row from the first handler to the last moment do not end it, and SIGTERM does, with 0", async () => {
    const early = launch();
    await untilHandlers(early.pid);
    let count = 0;
    const hangups = setInterval(() => early.running && early.process.kill("SIGHUP") && count++, 1);
    await untilTrue("it reloads", () => early.output.includes("manifest unchanged"), 20);
    const before = count;
    await untilTrue("more came", () => count > before + 100, 20);
    const { code, stdout, stderr } = await early.stop();
    clearInterval(hangups);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(messagesOf(stdout).at(-1)).toBe("stopped");
  });

  test.each([0, 1, 2, 3])("stopped in the midst of a reload that moves its metrics, it ends with 0 (%i)", async () => {
    const running = await start();
    place.write(good(9465));
    // Both wait for a process that stands still.
    for (const signal of ["SIGSTOP", "SIGHUP", "SIGTERM", "SIGCONT"] as const) running.process.kill(signal);
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(messagesOf(stdout).at(-1)).toBe("stopped");
    await network.borrowListenPort();
  });
});

describe("a manifest that is a pipe", () => {
  test.each([
    "SIGTERM",
    "SIGINT",
  ] as const)("which nobody writes to does not keep it from ending by %s", async (signal) => {
    rmSync(place.file);
    execFileSync("mkfifo", [place.file]);
    const early = launch();
    await untilHandlers(early.pid);
    await sleep(MOMENTS_MS.at(-1)!);
    expect(await early.stop(signal)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("is read again on SIGHUP once somebody writes to it, and does not keep it from ending until then", async () => {
    rmSync(place.file);
    execFileSync("mkfifo", [place.file]);
    const write = (): unknown => execFileSync("sh", ["-c", 'printf %s "$1" >"$0"', place.file, good()]);
    const running = launch();
    write();
    await untilTrue("it is ready", () => running.output.includes("metrics and health on"), 20);
    running.process.kill("SIGHUP");
    write();
    await untilTrue("it has read it again", () => running.output.includes("manifest unchanged"), 20);
    running.process.kill("SIGHUP");
    await sleep(200);
    const { code, stdout, stderr } = await running.stop();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(messagesOf(stdout).at(-1)).toBe("stopped");
  });
});

describe("a stop signal while it starts", () => {
  test.each([
    "SIGTERM",
    "SIGINT",
  ] as const)("%s ends it with 0 at every moment, and nothing stays open", async (signal) => {
    for (const momentMs of MOMENTS_MS) {
      const early = launch();
      await untilHandlers(early.pid);
      await sleep(momentMs);
      expect(await early.stop(signal), `after ${momentMs} ms`).toMatchObject({ code: 0, stderr: "" });
      await network.borrowListenPort();
    }
  });

  test("as process 1 of a container it ends with 0, too", async () => {
    for (const momentMs of MOMENTS_MS) {
      const container = launch(PID_1);
      await untilTrue("process 1 is there", () => childOf(container.pid) !== undefined);
      const pid = childOf(container.pid)!;
      await untilHandlers(pid);
      await sleep(momentMs);
      process.kill(pid, "SIGTERM");
      expect((await container.ended).code, `after ${momentMs} ms`).toBe(0);
    }
  });
});

describe("as the node of a cluster, here without an API server", () => {
  test("it goes on through an early and a late SIGHUP and others, and SIGTERM ends it with 0", async () => {
    const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: "1" };
    const node = network.host.launch(["run", "--node-object", "media/edge.node-1"], { env });
    await untilHandlers(node.pid);
    node.process.kill("SIGHUP");
    const said = (): number => messagesOf(node.output).filter((text) => text.startsWith("SIGHUP: mounted keys")).length;
    await untilTrue("the early one is answered", () => said() === 1, 20);
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP"] as const) node.process.kill(signal);
    await untilTrue("the late one is answered", () => said() === 2, 20);
    expect(listeningPorts(node.pid)).toEqual([]);
    expect(await node.stop()).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("process 1 of a container", () => {
  test("goes on through every signal without a meaning, reloads and stops", async () => {
    const container = launch(PID_1);
    await untilTrue("process 1 is there", () => childOf(container.pid) !== undefined);
    const pid = childOf(container.pid)!;
    await untilHandlers(pid);
    for (const signal of ["SIGHUP", ...MEANINGLESS] as const) process.kill(pid, signal);
    await untilTrue("the reload is said", () => container.output.includes("manifest unchanged"), 20);
    process.kill(pid, "SIGTERM");
    expect((await container.ended).code).toBe(0);
    expect(messagesOf(container.output).at(-1)).toBe("stopped");
  });
});

const MEANINGLESS = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGWINCH",
  "SIGPIPE",
  "SIGXFSZ",
  "SIGURG",
  "SIGCHLD",
  "SIGCONT",
] as const;

describe("sigusr1", () => {
  test.each(MEANINGLESS)("%s, twice in a row, changes nothing and opens nothing", async (signal) => {
    const running = await start();
    const before = listeningPorts(running.pid);
    for (let count = 0; count < 2; count++) {
      running.process.kill(signal);
      expect((await running.get("/readyz")).status).toBe(200);
    }
    expect(listeningPorts(running.pid)).toEqual(before);
    expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
  });

  test("a SIGUSR1 in every millisecond of the start opens no debugger where the first line forbids it", async () => {
    const seen = new Set<number>();
    let sampling: NodeJS.Timeout | undefined;
    const running = await start({
      command: [program],
      env: { PATH: `${process.execPath.replace(/\/node$/, "")}:${process.env.PATH}` },
      meanwhile: ({ pid, process: child }) => {
        sampling = setInterval(() => {
          // Before that the process may still be ip, which it ends, among the listeners of the host.
          if (!catches(pid, "SIGINT")) return;
          child.kill("SIGUSR1");
          for (const port of listeningPorts(pid)) seen.add(port);
        }, 1);
      },
    });
    clearInterval(sampling);
    expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
    expect([...seen]).toEqual([9464]);
  });

  test("one that comes to a plain node before the program's first line is closed again, and that is said", async () => {
    const running = await start({
      meanwhile: ({ pid, process: child }) =>
        void untilTrue("Node.js takes SIGUSR1", () => catches(pid, "SIGUSR1")).then(() => child.kill("SIGUSR1")),
    });
    await untilTrue("it is closed", () => !listeningPorts(running.pid).includes(DEBUGGER_PORT), 20);
    expect(running.output).toContain(`the debugger on 127.0.0.1:${DEBUGGER_PORT} was closed`);
  });

  test("one that NODE_OPTIONS asks for is closed, one that the command line asks for stays", async () => {
    const inherited = await start({ env: { NODE_OPTIONS: "--inspect" } });
    expect(listeningPorts(inherited.pid)).not.toContain(DEBUGGER_PORT);
    const { stderr } = await inherited.stop();
    expect(stderr).toContain(`the debugger on 127.0.0.1:${DEBUGGER_PORT} was closed`);
    const asked = await start({ command: [process.execPath, "--inspect", program] });
    expect(listeningPorts(asked.pid)).toContain(DEBUGGER_PORT);
  });
});
