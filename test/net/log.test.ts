import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  createReadStream,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Place } from "./place.ts";
import { untilTrue } from "./process.ts";
import { messagesOf } from "./program.ts";
import { manifest, type ProxyPlan, type ProxyProcess } from "./proxy.ts";

/* A log that cannot be written is no reason not to start, not to forward, not to answer and not to end. */

const LOST = "quicproxy_log_lines_lost_total";

let network: Network;
let place: Place;
const open: number[] = [];

beforeAll(async () => {
  network = new Network();
  await network.openEcho();
});
afterAll(() => network.remove());
beforeEach(() => {
  place = network.host.place(good());
});
afterEach(async () => {
  await network.host.clear("SIGKILL");
  for (const fd of open.splice(0)) closeSync(fd);
});

const good = (): string => manifest({ backends: [network.service()] });

/** Each refusal is some kilobytes of log. */
function wrong(): string {
  const backends = Array.from({ length: 30 }, () => ({ ...network.service(), [`unknown${"x".repeat(50)}`]: 1 }));
  return JSON.stringify({ ...JSON.parse(good()), spec: { listeners: [], backends: { static: backends } } });
}

function opened(path: string, flags: number | string): number {
  const fd = openSync(path, flags);
  open.push(fd);
  return fd;
}

const start = (options: Partial<ProxyPlan>): Promise<ProxyProcess> => network.host.start(place, options);

async function expectForwarding(): Promise<void> {
  const socket = await network.openClient();
  const payload = shortHeader(octets(8, "log"));
  await network.send(socket, payload);
  expect((await network.client.take(1))[0]?.payload).toEqual(Buffer.from(payload));
  await network.backend.take(1);
  await network.client.close(socket);
}

const lostLines = async (running: ProxyProcess): Promise<number> => (await running.metrics())(LOST);

async function reload(running: ProxyProcess): Promise<void> {
  const { rejected } = (await running.counters()).reloads;
  running.process.kill("SIGHUP");
  await untilTrue("it has read it again", async () => (await running.counters()).reloads.rejected > rejected, 5);
}

test("log_full: it starts, forwards, reloads and ends although nothing can be written", async () => {
  const running = await start({ stdout: opened("/dev/full", "w") });
  await expectForwarding();
  const lost = await lostLines(running);
  expect(lost).toBeGreaterThan(5);
  place.write(wrong());
  await reload(running);
  expect(await lostLines(running)).toBe(lost + 1);
  expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
});

test("a disk that is full for a while costs the lines of that while, and the log says how many", async () => {
  const disk = join(place.directory, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]);
  try {
    const log = join(disk, "log");
    const running = await start({ stdout: openSync(log, "a") });
    writeFileSync(join(disk, "filler"), Buffer.alloc(244 * 1024));
    place.write(wrong());
    for (let count = 0; count < 5; count++) await reload(running);
    const lost = await lostLines(running);
    expect(lost).toBeGreaterThan(0);
    await expectForwarding();
    rmSync(join(disk, "filler"));
    const said = `${lost} lines of this log were lost: ENOSPC`;
    await untilTrue("the loss is said", () => readFileSync(log, "utf8").includes(said), 50);
    expect((await running.stop()).code).toBe(0);
    expect(readFileSync(log, "utf8").trimEnd().split("\n").at(-1)).toContain('"msg":"stopped"');
  } finally {
    execFileSync("umount", ["--lazy", disk]);
  }
});

test("a pipe that nobody reads costs the lines beyond a bound; the process answers, forwards and ends", async () => {
  const path = join(place.directory, "pipe");
  execFileSync("mkfifo", [path]);
  const unread = opened(path, constants.O_RDWR);
  const running = await start({ stdout: unread });
  place.write(wrong());
  // A refusal is some 10 kB: the pipe and the queue are full after less than 200.
  for (let count = 0; count < 400; count++) await reload(running);
  const lost = await lostLines(running);
  expect(lost).toBeGreaterThan(190);
  await expectForwarding();

  let text = "";
  const reader = createReadStream(path, { encoding: "utf8" }).on("data", (part) => (text += part));
  await untilTrue("the loss is said", () => text.includes("lines of this log were lost"), 20);
  reader.destroy();
  expect(messagesOf(text)).toContainEqual(`${lost} lines of this log were lost: nobody reads the pipe`);
  for (let count = 0; count < 200; count++) await reload(running);
  expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
});

test("a reader of the log that goes away does not end it, be it of a pipe or of a socket", async () => {
  const path = join(place.directory, "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = opened(path, constants.O_WRONLY);
  closeSync(reader);
  const ofPipe = await start({ stdout: writer });
  await expectForwarding();
  expect(await lostLines(ofPipe)).toBeGreaterThan(5);
  expect(await ofPipe.stop()).toMatchObject({ code: 0, stderr: "" });

  // What Node.js makes for the output of a child is a socket.
  const meanwhile = ({ process: child }: ProxyProcess): void => void child.stdout!.destroy();
  const ofSocket = await start({ meanwhile });
  await expectForwarding();
  expect(await lostLines(ofSocket)).toBeGreaterThan(5);
  expect(await ofSocket.stop()).toMatchObject({ code: 0, stderr: "" });
});

test("a socket that nobody reads is not waited for either", async () => {
  const meanwhile = ({ process: child }: ProxyProcess): void => void child.stdout!.pause().removeAllListeners("data");
  const running = await start({ meanwhile });
  place.write(wrong());
  for (let count = 0; count < 300; count++) await reload(running);
  expect(await lostLines(running)).toBeGreaterThan(0);
  await expectForwarding();
  running.process.stdout!.resume();
  expect(await running.stop()).toMatchObject({ code: 0, stderr: "" });
});

test("an output that was closed before it started is none", async () => {
  const running = await start({ wrapper: ["sh", "-c", 'exec "$0" "$@" >&-'] });
  await expectForwarding();
  expect(await lostLines(running)).toBe(0);
  expect((await running.stop()).code).toBe(0);
});
