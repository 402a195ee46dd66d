import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { diffPlans, formatChanges } from "../../../../proxy/apply/changes.ts";
import type { Plan, PlanManifest } from "../../../../proxy/apply/plan.ts";
import { createPlanner } from "../../../../proxy/apply/planner.ts";
import { WHOLE_SHARES } from "../../../../proxy/health/shares.ts";

const MANIFEST = `
apiVersion: quicproxy.io/v1alpha1
kind: QuicProxy
metadata: { name: edge, namespace: media }
spec:
  listeners: [{ port: 4433, address: 192.0.2.1 }, { port: 8443 }]
  backends: { static: [{ address: 198.51.100.7, port: 4433, weight: 3 }] }
  nodes: {}
`;

const QUIC_LB_MANIFEST = `
apiVersion: quicproxy.io/v1alpha1
kind: QuicProxy
metadata: { name: edge }
spec:
  listeners: [{ port: 4433 }]
  backends: { static: [{ address: 198.51.100.7, port: 4433, serverId: c4605e4504cc4f00 }] }
  routing:
    quicLB:
      - { rotation: 0, serverIdLength: 3, nonceLength: 4 }
      - { rotation: 1, serverIdLength: 8, nonceLength: 8, key: { file: cid.key } }
`;

let stateDir: string;
let planManifest: PlanManifest;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "quicproxy-planner-"));
  planManifest = createPlanner({ file: "edge.yaml", stateDir, keyDir: join(stateDir, "keys"), cpus: 2 });
});

afterEach(async () => {
  await rm(stateDir, { recursive: true });
});

async function planOf(text: string): Promise<Plan> {
  const result = await planManifest(text);
  if ("faults" in result) throw new Error(result.faults.join("\n"));
  return result.plan;
}

describe("createPlanner", () => {
  it("gives endpoints and backends in the contract's order, with the listener each came from", async () => {
    const plan = await planOf(MANIFEST);
    expect(plan).toMatchObject({ name: "edge", namespace: "media", mode: "RunToCompletion" });
    expect(plan.endpoints.map(({ address, port, listener }) => [address, port, listener])).toEqual([
      ["192.0.2.1", 4433, 0],
      ["0.0.0.0", 8443, 1],
      ["::", 8443, 1],
    ]);
    expect(plan.backends).toMatchObject([{ address: "198.51.100.7", port: 4433, weight: 3 }]);
  });

  it("encodes the same plan for any generation", async () => {
    const plan = await planOf(MANIFEST);
    const [first, second] = [plan.encode(1), plan.encode(2)];
    const differing = first.filter((octet, index) => octet !== second[index]);
    expect(first.length).toBe(second.length);
    expect([...differing]).toEqual([1]);
  });

  it("says how backends are checked, not at all for Baseline", async () => {
    const baseline = MANIFEST.replace("nodes: {}", "dataPlane: { mode: Baseline }");
    expect((await planOf(MANIFEST)).health).toMatchObject({ active: undefined, passive: { refusals: 3 } });
    expect((await planOf(baseline)).health).toBeUndefined();
  });

  it("a drained backend has weight 0 in the contract, and nothing else changes", async () => {
    const plan = await planOf(MANIFEST);
    const draining = (name: string) => plan.encode(1, { ...WHOLE_SHARES, drained: new Set([name]) });
    const [all, drained] = [plan.encode(1), draining("198.51.100.7:4433")];
    const weightZero = await planOf(MANIFEST.replace("weight: 3", "weight: 0"));
    expect(Buffer.from(drained)).toEqual(Buffer.from(weightZero.encode(1)));
    expect(Buffer.from(drained)).not.toEqual(Buffer.from(all));
    expect(Buffer.from(draining("198.51.100.8:4433"))).toEqual(Buffer.from(all));
  });

  it("uses one hash key for every manifest of the same name, also where it cannot be kept", async () => {
    const unkept = createPlanner({ file: "edge.yaml", stateDir: "/dev/null/x", keyDir: stateDir, cpus: 2 });
    for (const planned of [planManifest, unkept]) {
      const results = [await planned(MANIFEST), await planned(MANIFEST)];
      const [first, second] = results.map((result) => ("plan" in result ? result.plan.encode(1) : undefined));
      expect(first).toBeDefined();
      expect(second).toEqual(first);
    }
  });

  it("never shows the hash key among the settings", async () => {
    const { settings } = await planOf(MANIFEST);
    expect(Object.values(settings).every((value) => ["string", "number"].includes(typeof value))).toBe(true);
    expect(settings).toMatchObject({
      endpoints: "192.0.2.1:4433 0.0.0.0:8443 [::]:8443",
      upstreamSocketMax: "unbounded",
      shortHeaderCidLength: "learned",
    });
    expect(settings).not.toHaveProperty("hashKey");
  });

  it("passes on warnings and where metrics are wanted", async () => {
    const plan = await planOf(MANIFEST);
    expect(plan.warnings.join("\n")).toContain("spec.nodes");
    expect(plan.metrics).toEqual({ address: "127.0.0.1", port: 9464 });
    expect((await planOf(`${MANIFEST}  metrics: { port: 0 }\n`)).metrics).toBeUndefined();
  });

  it("asks for upstream sockets only where the manifest does", async () => {
    expect((await planOf(MANIFEST)).upstreamSocketMaxAsked).toBeUndefined();
    const bounded = await planOf(`${MANIFEST}  dataPlane: { upstreamSockets: 10 }\n`);
    expect([bounded.upstreamSocketMaxAsked, bounded.settings.upstreamSocketMax]).toEqual([10, 10]);
  });

  it("reads QUIC-LB keys beside the manifest, anew each time, and shows them nowhere", async () => {
    const [key, other] = ["8f95f09245765f80256934e50c66207f", "fdf726a9893ec05c0632d3956680baf0"];
    const file = join(stateDir, "edge.yaml");
    const planned = createPlanner({ file, stateDir, keyDir: stateDir, cpus: 2 });
    await writeFile(join(stateDir, "cid.key"), key, { mode: 0o600 });
    const before = await planned(QUIC_LB_MANIFEST);
    await writeFile(join(stateDir, "cid.key"), other);
    const after = await planned(QUIC_LB_MANIFEST);
    if ("faults" in before || "faults" in after) throw new Error(JSON.stringify([before, after]));
    expect(before.plan.settings).toMatchObject({
      quicLb: "rotation 0: 3 + 4 octets plain, rotation 1: 8 + 8 octets encrypted",
      serverIds: 1,
    });
    expect(after.plan.settings).toEqual(before.plan.settings);
    expect(Buffer.from(before.plan.encode(1)).toString("hex")).toContain(key);
    expect(Buffer.from(after.plan.encode(1)).toString("hex")).toContain(other);
    expect(diffPlans(before.plan, after.plan)).toMatchObject({ keysChanged: ["rotation 1"], settingsChanged: [] });
    const { settings, warnings } = before.plan;
    expect(JSON.stringify([settings, warnings, formatChanges(diffPlans(before.plan, after.plan))])).not.toContain(
      key.slice(0, 6),
    );
  });

  it("gives a key that cannot be read as a fault at its line", async () => {
    const result = await planManifest(QUIC_LB_MANIFEST);
    expect(result).toEqual({
      faults: [
        expect.stringMatching(/^edge\.yaml:11:\d+: spec\.routing\.quicLB\[1\]\.key\.file: .*cid\.key does not exist/),
      ],
    });
  });

  it("gives every fault as a line with the file's name", async () => {
    const result = await planManifest(MANIFEST.replace("port: 8443", "port: 0"));
    expect(result).toEqual({ faults: [expect.stringMatching(/^edge\.yaml:6:\d+: spec\.listeners\[1\]\.port: /)] });
  });
});
