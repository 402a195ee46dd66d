import { describe, expect, it } from "vitest";
import { BACKENDS, backend, check, dataPlane, LISTENERS, listeners, routing, spec } from "./manifests.ts";

const ONE = '[{ address: 10.0.0.7, port: 1, serverId: "c4605e" }]';
const ENCRYPTED = "{ rotation: 0, serverIdLength: 3, nonceLength: 4, key: { file: a.key } }";
const PLAIN = "{ rotation: 0, serverIdLength: 3, nonceLength: 4 }";
const quicLb = (list: string, ...configs: string[]): string =>
  spec(LISTENERS, `backends: { static: ${list} }`, `routing: { quicLB: [${configs.join(", ")}] }`);

describe("a manifest that looks wrong and is right", () => {
  it.each([
    ["one port per family", listeners('[{ port: 443, address: 0.0.0.0 }, { port: 443, address: "::" }]')],
    ["one port on two addresses", listeners("[{ port: 443, address: 10.0.0.1 }, { port: 443, address: 10.0.0.2 }]")],
    ["a server on this host, another port", backend("{ address: 127.0.0.1, port: 4433 }")],
    [
      "a server on this host beside a bound listener",
      spec(
        "listeners: [{ port: 443, address: 192.0.2.1 }]",
        "backends: { static: [{ address: 127.0.0.1, port: 443 }] }",
      ),
    ],
    [
      "an IPv4 server on this host under an IPv6 listener",
      spec('listeners: [{ port: 443, address: "::" }]', "backends: { static: [{ address: 10.0.0.1, port: 443 }] }"),
    ],
    ["one address with two ports", backend("{ address: 10.0.0.7, port: 1 }, { address: 10.0.0.7, port: 2 }")],
    ["an empty list of QUIC-LB configs", routing("{ quicLB: [] }")],
    ["an encrypted QUIC-LB config", quicLb(ONE, ENCRYPTED)],
    ["few upstream sockets for one worker", dataPlane("{ workers: { max: 1 }, upstreamSockets: 1 }")],
    ["Decoupled", dataPlane("{ mode: Decoupled, workers: { max: 4 }, batch: 32 }")],
    ["few upstream sockets for Baseline", dataPlane("{ mode: Baseline, upstreamSockets: 1 }")],
    ["a trailing document end", `${spec(LISTENERS, BACKENDS)}---\n`],
    ["a byte port written as hexadecimal", listeners("[{ port: 0x1bb }]")],
    [
      "a setting shared by an anchor",
      spec("listeners: [{ port: &p 443 }]", "backends: { static: [{ address: 10.0.0.7, port: *p }] }"),
    ],
  ])("%s", (_, text) => {
    expect(check(text)).toMatchObject({ ok: true, warnings: [] });
  });
});

describe("warnings", () => {
  it.each([
    [
      "cluster-only parts",
      spec(LISTENERS, BACKENDS, "nodes: {}", "tuning: { noTrack: true }", "autoscaling: { maxNodes: 3 }"),
      ["spec.nodes", "spec.tuning", "spec.autoscaling"],
      "only meaningful in a cluster, ignored here",
    ],
    [
      "workers and batch of Baseline",
      dataPlane("{ mode: Baseline, workers: { max: 4 }, batch: 64 }"),
      ["spec.dataPlane.workers", "spec.dataPlane.batch"],
      "has no effect: dataPlane.mode Baseline",
    ],
    [
      "health checks of Baseline",
      spec(
        LISTENERS,
        "backends: { static: [], health: { active: { mode: Enabled }, passive: { mode: Enabled } } }",
        "dataPlane: { mode: Baseline }",
      ),
      ["spec.backends.health.active", "spec.backends.health.passive"],
      "has no effect: dataPlane.mode Baseline",
    ],
    [
      "server IDs without QUIC-LB",
      backend('{ address: 10.0.0.7, port: 1 }, { address: 10.0.0.8, port: 1, serverId: "ab" }'),
      ["spec.backends.static[1].serverId"],
      "without routing.quicLB",
    ],
    [
      "plain-text QUIC-LB, once",
      quicLb(ONE, PLAIN, PLAIN.replace("0", "1")),
      ["spec.routing.quicLB[0]"],
      "has no key: anyone can read server IDs",
    ],
    [
      "server IDs shared by encrypted and plain-text configs",
      quicLb(ONE, PLAIN, ENCRYPTED.replace("0", "1")),
      ["spec.routing.quicLB[0]", "spec.routing.quicLB[1]"],
      "server IDs",
    ],
    [
      "a config without a backend",
      quicLb(ONE, ENCRYPTED, ENCRYPTED.replace("0", "1").replace("serverIdLength: 3", "serverIdLength: 8")),
      ["spec.routing.quicLB[1]"],
      "routes nothing: no backend has a server ID of 8 octets",
    ],
    [
      "nothing, where Baseline is asked for what it does",
      dataPlane("{ mode: Baseline, workers: { min: 1, max: 1 }, batch: 1 }"),
      [],
      "",
    ],
  ])("%s", (_, text, paths, fragment) => {
    const result = check(text);
    expect(result.ok).toBe(true);
    expect(result.warnings.map(({ path }) => path)).toEqual(paths);
    for (const { what } of result.warnings) expect(what).toContain(fragment);
  });
});

describe("positions", () => {
  it.each([
    ["a value", dataPlane("{ batch: 0 }"), 7, 23],
    ["a missing key: the mapping around it", spec("listeners:", "  - address: 10.0.0.1", BACKENDS), 6, 7],
    ["an empty value: its key", spec(LISTENERS, BACKENDS, "metrics:"), 7, 3],
    ["an unknown key", spec(LISTENERS, BACKENDS, "colour: blue"), 7, 3],
    [
      "an aliased value: the alias",
      spec("listeners: [{ port: 443 }]", "dataPlane: { batch: &x 0, upstreamSockets: *x }", BACKENDS),
      6,
      26,
    ],
    ["the file", "", 0, 0],
  ])("%s", (_, text, line, column) => {
    const result = check(text);
    expect(result.ok ? undefined : result.faults[0]).toMatchObject({ file: "edge.yaml", line, column });
  });
});
