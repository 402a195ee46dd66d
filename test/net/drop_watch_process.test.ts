import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evidenceLevel, evidenceNotes } from "../../host/path/evidence.ts";
import { parseWitness, type Witness } from "../../host/reading/witness.ts";
import { insideNamespace } from "../../proxy/lab/namespace.ts";
import { ADDRESSES, DropScene, PORT } from "./drop_scene.ts";
import { script } from "./inside.ts";

/* The second witness as a process: without rights, killed, and in a storm. */

const LIMIT_MS = 60_000;
/** What any machine can drop, and nothing else here does; the real limit is asked of unit tests. */
const STORM_EVENTS_PER_SECOND = 5_000;

let scene: DropScene;
beforeAll(() => {
  scene = new DropScene();
});
afterAll(() => scene?.remove());

class Watcher {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(wrapper: readonly string[] = []) {
    const program = join(import.meta.dirname, "watch_drops_process.ts");
    const [command, ...args] = [
      ...wrapper,
      process.execPath,
      program,
      ...[scene.namespace, PORT, STORM_EVENTS_PER_SECOND].map(String),
    ];
    this.process = spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  async ready(): Promise<this> {
    expect((await this.#lines.next()).value).toBe("ready");
    return this;
  }

  async end(): Promise<Witness> {
    this.process.stdin!.end();
    const { value } = await this.#lines.next();
    return parseWitness(JSON.parse(value!));
  }
}

/** Ids of the programs in the kernel that count drops. */
function programs(): string[] {
  const [command, ...args] = script("bpf_programs.py");
  const lines = execFileSync(command!, args, { encoding: "utf8" }).trim().split("\n");
  return lines.filter((line) => /^\d+ (drop_reasons|queue_failures)$/.test(line)).map((line) => line.split(" ")[0]!);
}

test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)("%s leaves no program behind", async (signal) => {
  const before = new Set(programs());
  const { process: watcher } = await new Watcher().ready();
  const own = programs().filter((id) => !before.has(id));
  expect(own.length).toBeGreaterThan(0);
  watcher.kill(signal);
  await once(watcher, "exit");
  await expect.poll(() => programs().filter((id) => own.includes(id)), { timeout: LIMIT_MS }).toEqual([]);
});

test("a quiet window", async () => {
  const watcher = await new Watcher().ready();
  const witness = await watcher.end();
  expect(evidenceLevel(witness)).toBe("counters + reasons");
  expect(evidenceNotes(witness)).toEqual([]);
});

const without = (...capabilities: readonly string[]): string[] => {
  const list = capabilities.map((name) => `-${name}`).join(",");
  return ["setpriv", `--bounding-set=${list}`, `--inh-caps=${list}`];
};

test.each([
  [["bpf", "perfmon", "sys_admin"], "CAP_PERFMON and CAP_BPF"],
  [["perfmon", "sys_admin"], "CAP_PERFMON"],
  [["bpf", "sys_admin"], "CAP_BPF"],
])("without rights: counters, and what is missing (%s)", async (capabilities, missing) => {
  const witness = await (await new Watcher(without(...capabilities)).ready()).end();
  expect(evidenceLevel(witness)).toBe("counters");
  expect(evidenceNotes(witness)).toEqual([
    "no drop reasons of the kernel, nor what it tells of full sockets: it needs CAP_BPF and CAP_PERFMON, and this process " +
      `lacks ${missing}: run it as root`,
  ]);
});

test("CAP_BPF and CAP_PERFMON are enough, without root's other rights", async () => {
  const wrapper = ["setpriv", "--bounding-set=-all,+bpf,+perfmon", "--inh-caps=-all,+bpf,+perfmon"];
  const witness = await (await new Watcher(wrapper).ready()).end();
  expect(evidenceLevel(witness)).toBe("counters + reasons");
});

test("a storm: it ends itself, and says so", async () => {
  await scene.listen(["small"]);
  const [program, args] = insideNamespace(
    scene.receiver,
    script("drop_udp.py", "send", ADDRESSES.receiver, String(PORT), "0", "fast"),
  );
  const senders = [1, 2].map(() => spawn(program, args, { stdio: ["pipe", "inherit", "inherit"] }));
  const watcher = await new Watcher().ready();
  const begun = performance.now();
  await new Promise((wake) => setTimeout(wake, 5_000));
  const witness = await watcher.end();
  const windowSeconds = (performance.now() - begun) / 1000;
  for (const sender of senders) sender.stdin!.end();
  await Promise.all(senders.map((sender) => once(sender, "exit")));

  expect(witness.stopped?.eventsPerSecond).toBeGreaterThan(STORM_EVENTS_PER_SECOND);
  expect(witness.seconds).toBeLessThan(windowSeconds - 0.5);
  expect(witness.drops.some(({ reason, port }) => reason === "SOCKET_RCVBUFF" && port === PORT)).toBe(true);
  expect(evidenceNotes(witness)[0]).toMatch(/^the second witness ended after .* s, because /);
});
