import { describe, expect, it } from "vitest";
import { cpuMillis, cpuText, sizeText } from "../../../crds/quantities.ts";
import { specShape } from "../../../crds/schema.ts";
import { memoryNeedBytes, podResources } from "../../../operator/plan/resources.ts";
import { absenceOfPods } from "../../../operator/status/absence.ts";
import {
  accepted,
  decisionOf,
  FakeWorld,
  node,
  proxy,
  quicProxyClass,
  SERVICE_SPEC,
  service,
  slice,
} from "./worlds.ts";

const MIB = 1024 * 1024;

function world(spec: object, allowed: object = {}): FakeWorld {
  return new FakeWorld({
    nodes: [node("node-1")],
    classes: [quicProxyClass(allowed)],
    proxies: [proxy("edge", { ...SERVICE_SPEC, ...spec })],
    services: [service()],
    slices: [slice(["10.1.0.1"])],
  });
}

function resourcesOf(spec: object, allowed: object = {}): object {
  const inForce = accepted(world(spec, allowed));
  return podResources(inForce.spec, inForce.terms);
}

const need = memoryNeedBytes(specShape.parse({ listeners: [{ port: 443 }], backends: {} }));

describe("the resources of a pod", () => {
  it("are what the settings need where nobody says others, without a limit", () => {
    expect(resourcesOf({})).toEqual({ requests: { cpu: "100m", memory: sizeText(need) } });
    const larger = resourcesOf({ dataPlane: { flowMemory: "128Mi" } });
    expect(larger).toEqual({ requests: { cpu: "100m", memory: sizeText(need + 64 * MIB) } });
  });

  it("are those of the QuicProxy, then of the class, one by one", () => {
    const resources = { requests: { cpu: "250m" }, limits: { memory: "1Gi" } };
    const ofClass = { resources: { requests: { cpu: "1", memory: "600Mi" }, limits: { cpu: "2" } } };
    expect(resourcesOf({ resources }, ofClass)).toEqual({
      requests: { cpu: "250m", memory: "600Mi" },
      limits: { cpu: "2", memory: "1Gi" },
    });
  });

  it("request no more than the limit where nobody says how much", () => {
    expect(resourcesOf({ resources: { limits: { cpu: "50m" } } })).toMatchObject({
      requests: { cpu: "50m" },
      limits: { cpu: "50m" },
    });
  });

  it("are written as the API server writes them, or they would differ for ever", () => {
    const resources = { requests: { cpu: "1000m", memory: "1024Mi" }, limits: { cpu: "1.5", memory: "1073741824" } };
    expect(resourcesOf({ resources })).toEqual({
      requests: { cpu: "1", memory: "1Gi" },
      limits: { cpu: "1500m", memory: "1Gi" },
    });
    expect([cpuText(1), cpuText(2000), sizeText(1536), sizeText(1025)]).toEqual(["1m", "2", "1536", "1025"]);
  });
});

describe("resources with which no proxy runs", () => {
  const refusal = (spec: object, allowed: object = {}): string =>
    decisionOf(world(spec, allowed)).refusal?.message ?? "";

  it("are a limit of memory below what the tables need: the number is said", () => {
    const resources = { limits: { memory: "128Mi" } };
    expect(refusal({ resources })).toContain(
      `spec.resources.limits.memory: is 128Mi, and the proxy needs ${sizeText(need)} with dataPlane.flowMemory 64Mi; ` +
        `allowed: at least ${sizeText(need)}, or less flowMemory`,
    );
    expect(refusal({ resources: { limits: { memory: sizeText(need) } } })).toBe("");
  });

  it("are such a limit by the class's default, too", () => {
    expect(refusal({}, { resources: { limits: { memory: "64Mi" } } })).toContain("is 64Mi by the class's default");
  });

  it("are requests above the limit, be it the class's", () => {
    const allowed = { resources: { limits: { cpu: "500m" } } };
    expect(refusal({ resources: { requests: { cpu: "1" } } }, allowed)).toContain(
      "spec.resources.requests.cpu: requests 1, and the limit is 500m",
    );
  });

  it("are noted where only more workers would be too much", () => {
    const resources = { limits: { memory: sizeText(need) } };
    expect(decisionOf(world({ resources })).warnings.join()).toContain("workers that are added later may need");
    const enough = { limits: { memory: sizeText(need + 64 * MIB) } };
    expect(decisionOf(world({ resources: enough })).warnings).toEqual([]);
  });
});

describe("the memory that a proxy needs", () => {
  it("covers what was measured, resident at most, with tables of 64 MiB", () => {
    const limitFor = (backends: number): number => {
      const addresses = Array.from({ length: backends }, (_, at) => `10.2.${at >> 8}.${at & 255}`);
      const list = addresses.map((address) => ({ address, port: 4433 }));
      const open = { destinations: { cidrs: ["10.0.0.0/8"] } };
      const of = world({ backends: { static: list }, resources: { limits: { memory: "1Mi" } } }, open);
      return Number(/the proxy needs (\d+)Mi/.exec(decisionOf(of).refusal?.message ?? "")?.[1]);
    };
    const measuredMiB: [backends: number, resident: number][] = [
      [1, 173],
      [1000, 200],
      [5000, 258],
      [16_384, 393],
    ];
    for (const [backends, resident] of measuredMiB) {
      expect(limitFor(backends)).toBeGreaterThan(resident);
      expect(limitFor(backends)).toBeLessThan(resident * 1.25);
    }
  });

  it("is requested without regard to the number of backends: pods do not roll for one more", () => {
    const backends = {
      static: Array.from({ length: 3000 }, (_, at) => ({ address: `10.2.${at >> 8}.${at & 255}`, port: 1 })),
    };
    const open = { destinations: { cidrs: ["10.0.0.0/8"] } };
    expect(resourcesOf({ backends }, open)).toEqual(resourcesOf({}, open));
  });
});

describe("an amount of processor time", () => {
  it.each([
    ["500m", 500],
    ["2", 2000],
    ["1.5", 1500],
    ["0.25", 250],
    ["0", undefined],
    ["-1", undefined],
    ["1e3", undefined],
    ["1.5m", undefined],
    ["", undefined],
  ])("%s is %j thousandths of a CPU", (text, millis) => {
    expect(cpuMillis(text)).toBe(millis);
  });
});

describe("K12: pods that a quota or a limit range does not let be made", () => {
  const FORBIDDEN = 'Error creating: pods "quicproxy-edge-x" is forbidden';

  it.each([
    [
      `${FORBIDDEN}: failed quota: q: must specify limits.cpu for: proxy; limits.memory for: proxy`,
      /set .* spec\.resources/,
    ],
    [
      `${FORBIDDEN}: exceeded quota: q, requested: limits.cpu=2, used: limits.cpu=3, limited: limits.cpu=4`,
      /ask for less/,
    ],
    [
      'Pod "quicproxy-edge-x" is invalid: spec.containers[0].resources.requests: Invalid value: "192Mi": must be less than or equal to memory limit of 128Mi',
      /a LimitRange .* spec\.resources\.limits/,
    ],
    [`${FORBIDDEN}: maximum memory usage per Container is 128Mi, but limit is 256Mi`, /a LimitRange/],
  ])("%s: the remedy is said", (message, remedy) => {
    const of = world({});
    of.parts.refusals = [{ namespace: "media", daemonSet: "quicproxy-edge", atMs: 1, message }];
    const said = absenceOfPods(of, of.proxies[0]!)!;
    expect(said).toMatchObject({ reason: "PodsRefused", message: expect.stringMatching(remedy) });
    expect(said.message).toContain(message);
  });

  it("what nobody knows is passed on as it is", () => {
    const of = world({});
    of.parts.refusals = [{ namespace: "media", daemonSet: "quicproxy-edge", atMs: 1, message: "no" }];
    expect(absenceOfPods(of, of.proxies[0]!)?.message).toBe("DaemonSet quicproxy-edge cannot make a pod: no");
  });
});
