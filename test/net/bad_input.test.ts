import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { insideNamespace } from "../../proxy/lab/namespace.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import type { Place } from "./place.ts";
import type { Ended } from "./program.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions, manifest, type ProxyProcess } from "./proxy.ts";

/* What the real program does with what it cannot run: it says so, ends with the right code, and has started nothing. */

let network: Network;
let holder: ChildProcess | undefined;

beforeAll(() => {
  network = new Network();
});
afterAll(() => network.remove());

afterEach(async () => {
  if (holder) {
    const exited = once(holder, "exit");
    holder.kill("SIGKILL");
    await exited;
  }
  holder = undefined;
});

const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
/** Root in all but these rights: another user might not even find this checkout. */
const without = (rights: string): string[] => ["setpriv", `--bounding-set=${rights}`, "--inh-caps=-all"];

/** Against hangs. */
const WAIT = { timeout: 50_000 };

const somewhere: ManifestOptions["backends"] = [{ address: "10.79.2.11", port: BACKEND_PORT }];

/** `quicproxy run` on the manifest of a place, until it ends by itself. */
async function runToEnd(place: Place, wrapper: readonly string[] = [], file = place.file): Promise<Ended> {
  const program = network.host.launch(place.runArguments({ file }), { wrapper });
  const limit = setTimeout(() => program.process.kill("SIGKILL"), 100_000);
  try {
    return await program.ended;
  } finally {
    clearTimeout(limit);
  }
}

/** Has a UDP port until the end of the test. */
async function hold(port: number, options: { sharePort?: boolean; wrapper?: readonly string[] } = {}): Promise<void> {
  const { sharePort = false, wrapper = [] } = options;
  const program = [
    "import socket, sys",
    "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    ...(sharePort ? ["udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)"] : []),
    `udp.bind(("0.0.0.0", ${port}))`,
    "print('bound', flush=True)",
    "sys.stdin.read()",
  ];
  const command = [...wrapper, "/usr/bin/python3", "-c", program.join("\n")];
  const [file, args] = insideNamespace(network.topology.edge.namespace, command);
  holder = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(holder.stdout!, "data");
}

interface RefusedAtStart {
  name: string;
  options: ManifestOptions;
  words: readonly string[];
}

describe("a valid manifest that this host cannot run ends with 1", () => {
  const port = 4444;
  const onPort = { listeners: [{ port, address: "0.0.0.0" }], backends: somewhere };
  const busy = [
    "spec.listeners[0]",
    `0.0.0.0:${port}`,
    "another process has this UDP port",
    `ss -ulpn 'sport = :${port}'`,
  ];

  function expectRefused({ code, stdout, stderr }: Ended, words: readonly string[]): void {
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    const { level, msg } = JSON.parse(lines.at(-1)!) as { level: string; msg: string };
    expect(level).toBe("fatal");
    for (const word of ["not started", ...words]) expect(msg).toContain(word);
    expect(stdout).not.toContain("listening on");
  }

  test.each([
    ["another socket without SO_REUSEPORT", {}],
    ["another socket with SO_REUSEPORT", { sharePort: true }],
    ["another user's socket", { wrapper: asNobody }],
    ["another user's socket with SO_REUSEPORT", { sharePort: true, wrapper: asNobody }],
  ])("the port has %s", async (_, options) => {
    const place = network.host.place(manifest(onPort));
    await hold(port, options);
    expectRefused(await runToEnd(place), busy);
  });

  test("the second of two ports is taken: the first is not kept either", async () => {
    const place = network.host.place(
      manifest({ ...onPort, listeners: [{ port: 4443, address: "0.0.0.0" }, ...onPort.listeners] }),
    );
    await hold(port);
    expectRefused(await runToEnd(place), ["spec.listeners[1]", ...busy.slice(1)]);
  });

  test("a port below 1024 without the right", async () => {
    const place = network.host.place(manifest({ backends: somewhere }));
    const words = ["spec.listeners[0]", "0.0.0.0:443", "this user may not bind", "CAP_NET_BIND_SERVICE", "setcap"];
    expectRefused(await runToEnd(place, without("-net_bind_service")), [
      ...words,
      `ip_unprivileged_port_start=${LISTEN_PORT}`,
    ]);
  });

  test.each(["192.0.2.7", "2001:db8::7"])("%s is not on this host", async (address) => {
    const place = network.host.place(manifest({ listeners: [{ port, address }], backends: somewhere }));
    const words = ["spec.listeners[0]", address, "the address is not on this host", "ip -brief address"];
    expectRefused(await runToEnd(place), words);
  });
});

const valid: ManifestOptions = { backends: somewhere };
const wrong: RefusedAtStart[] = [
  {
    name: "a backend that is the listener",
    options: {
      listeners: [{ port: LISTEN_PORT, address: "10.79.1.1" }],
      backends: [{ address: "10.79.1.1", port: LISTEN_PORT }],
    },
    words: ["spec.backends.static[0]", "10.79.1.1 port 443 is spec.listeners[0] itself: a loop"],
  },
  {
    name: "a backend on an address of this host that a listener on all addresses takes",
    options: { backends: [...somewhere, { address: "10.79.2.1", port: LISTEN_PORT }] },
    words: ["spec.backends.static[1]", "10.79.2.1 port 443 is spec.listeners[0] itself: a loop"],
  },
  {
    name: "the same over IPv6",
    options: { backends: [{ address: "fd79:2::1", port: LISTEN_PORT }] },
    words: ["spec.backends.static[0]", "fd79:2::1 port 443 is spec.listeners[0] itself: a loop"],
  },
  {
    name: "two listeners on one port",
    options: { listeners: [{ port: LISTEN_PORT }, { port: LISTEN_PORT }], backends: somewhere },
    words: ["spec.listeners[1]", "443", "spec.listeners[0]"],
  },
];

describe("a wrong manifest ends with 2", () => {
  function expectWrong({ code, stdout, stderr }: Ended, words: readonly string[]): void {
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const word of [...words, "allowed: "]) expect(stderr).toContain(word);
    expect(stderr).toMatch(/\n\d+ faults?, nothing started\n$/);
  }

  test.concurrent.each(wrong.map((row) => [row.name, row] as const))("%s", async (_, { options, words }) => {
    const place = network.host.place(manifest(options));
    expectWrong(await runToEnd(place), words);
  });

  test.concurrent.each([
    ["an empty file", "", ["is empty"]],
    ["an unknown apiVersion", manifest(valid).replace("v1alpha1", "v9"), ["apiVersion", "quicproxy.io/v1alpha1"]],
    ["an unknown kind", manifest(valid).replace('"QuicProxy"', '"QuickProxy"'), ["kind", "did you mean `QuicProxy`?"]],
    ["several documents", `${manifest(valid)}\n---\n${manifest(valid)}\n`, ["document 2 of this file", "one document"]],
  ])("%s", async (_, text, words) => {
    const place = network.host.place(text);
    expectWrong(await runToEnd(place), words);
  });

  test.concurrent.each([
    ["a file that is not there", ({ directory }: Place): string => `${directory}/none.yaml`, "does not exist"],
    ["a directory", ({ directory }: Place): string => directory, "is a directory"],
  ])("%s", async (_, file, words) => {
    const place = network.host.place(manifest(valid));
    expectWrong(await runToEnd(place, [], file(place)), [words]);
  });

  test.concurrent("a file that this user may not read", async () => {
    const place = network.host.place(manifest(valid));
    chmodSync(place.file, 0o600);
    chownSync(place.file, 65_534, 65_534);
    // What root reads of others it reads by these rights alone.
    expectWrong(await runToEnd(place, without("-dac_override,-dac_read_search")), [
      "may not be read by this user",
      "chmod a+r",
    ]);
  });
});

describe("what is odd but right runs", () => {
  // Not of the whole file: tests that run side by side would remove each other's manifests.
  afterEach(() => network.host.clear());

  const start = (options: ManifestOptions, until: "healthy" | "ready"): Promise<ProxyProcess> =>
    network.host.start(network.host.place(manifest(options)), { until });

  async function sendOnce(): Promise<void> {
    const id = await network.openClient();
    await network.send(id, shortHeader(octets(8, "once")));
    await network.client.close(id);
  }

  test("no backend: healthy, not ready, each datagram counted", async () => {
    const proxy = await start({ backends: [] }, "healthy");
    expect(await proxy.get("/healthz")).toEqual({ status: 200, body: "ok\n" });
    expect(await proxy.get("/readyz")).toEqual({ status: 503, body: "no backend with a weight above zero\n" });
    await sendOnce();
    await expect.poll(async () => (await proxy.counters()).totals.route_dropped_no_backend, WAIT).toBe(1);
    expect((await proxy.get("/healthz")).status).toBe(200);
    expect(proxy.output).toContain("no backend with a weight above zero");
  });

  test("a backend that refuses: healthy, ready, each refusal counted", async () => {
    const proxy = await start({ backends: [{ address: "10.79.2.11", port: 9 }] }, "ready");
    for (let refused = 1; refused <= 3; refused++) {
      await sendOnce();
      await expect.poll(async () => (await proxy.counters()).totals.return_backend_refused, WAIT).toBe(refused);
    }
    expect((await proxy.counters()).totals.forward_sent).toBe(3);
    expect((await proxy.get("/healthz")).status).toBe(200);
  });

  test("10,000 backends: every one is served and shown", async () => {
    const address = "10.79.2.11";
    const backends = Array.from({ length: 10_000 }, (_, index) => ({ address, port: 10_000 + index }));
    const proxy = await start({ backends }, "ready");
    await sendOnce();
    const read = async (): Promise<number> => (await proxy.counters()).totals.forward_sent;
    await expect.poll(read, { ...WAIT, interval: 200 }).toBe(1);
    expect((await proxy.counters()).backends).toHaveLength(10_000);
    const sample = await proxy.metrics();
    expect(sample("quicproxy_backends")).toBe(10_000);
    expect(sample(`quicproxy_backend_weight{backend="${address}:19999"}`)).toBe(1);
  });
});
