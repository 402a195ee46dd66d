import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatFault } from "../../../../proxy/manifest/fault.ts";
import { type ParseResult, parse } from "../../../../proxy/manifest/parse.ts";
import { HANG_MS } from "./manifests.ts";

const FIXTURES = new URL("../../../fixtures/manifests/", import.meta.url);

function parseFixture(name: string): ParseResult {
  return parse(readFileSync(new URL(name, FIXTURES), "utf8"), { file: name, localAddresses: [] });
}

describe("parse of a valid manifest", () => {
  it("fills in every default", () => {
    const result = parseFixture("minimal.yaml");
    expect(result).toEqual({
      ok: true,
      locate: expect.any(Function),
      warnings: [],
      manifest: {
        apiVersion: "quicproxy.io/v1alpha1",
        kind: "QuicProxy",
        metadata: { name: "edge" },
        spec: {
          listeners: [{ port: 443 }],
          backends: {
            static: [],
            health: {
              active: {
                mode: "Disabled",
                interval: "5s",
                timeout: "1s",
                unhealthyThreshold: 3,
                healthyThreshold: 2,
              },
              passive: {
                mode: "Enabled",
                window: "10s",
                minFlows: 5,
                minDatagrams: 20,
                replyPercent: 0,
                refusals: 3,
              },
              backoff: "30s",
              maxBackoff: "5m",
              panicThreshold: 50,
            },
          },
          routing: { fallback: "FourTuple", idleTimeout: "120s" },
          dataPlane: {
            mode: "RunToCompletion",
            fastPath: "Auto",
            workers: { min: 1, max: 8 },
            receiveBuffer: "8Mi",
            sendBuffer: "4Mi",
            batch: 64,
            flowMemory: "64Mi",
            newFlowsPerSecond: 20_000,
            sampleOneIn: 10_000,
            upstreamLevel: "Auto",
            upstreamPorts: { first: 10_240, last: 29_951 },
          },
          metrics: { address: "127.0.0.1", port: 9464 },
        },
      },
    });
  });

  it("takes everything a standalone proxy does, and leaves foreign metadata and status alone", () => {
    const result = parseFixture("full.yaml");
    expect(result).toMatchObject({
      ok: true,
      warnings: [],
      manifest: {
        metadata: { namespace: "media", uid: "4c1bfbdc-25d0-4a4b-a3c6-0a1c70d34ad1" },
        spec: { backends: { static: { length: 4 } }, dataPlane: { receiveBuffer: "65536", upstreamSockets: 1000 } },
      },
    });
  });

  it("takes anchors, a byte order of keys of any kind, and JSON", () => {
    const text = `{"kind":"QuicProxy","apiVersion":"quicproxy.io/v1alpha1","metadata":{"name":"edge"},
      "spec":{"listeners":[&a {"port":443},{"port":444}],"backends":{"static":[]}}}`;
    expect(parse(text, { file: "m", localAddresses: [] })).toMatchObject({ ok: true });
  });

  it(
    "reads 10,000 backends",
    () => {
      const lines = Array.from({ length: 10_000 }, (_, i) => `- { address: 10.1.${i >> 8}.${i & 255}, port: 4433 }`);
      const text = `${readFileSync(new URL("minimal.yaml", FIXTURES), "utf8").replace("{ static: [] }", "")}    static:\n${lines
        .map((line) => `      ${line}\n`)
        .join("")}`;
      const result = parse(text, { file: "m", localAddresses: ["10.1.0.0"] });
      expect(result.ok && result.manifest.spec.backends.static).toHaveLength(10_000);
    },
    HANG_MS,
  );
});

describe("parse of a manifest with many faults", () => {
  it("reports every fault at once, in the order of the file", () => {
    const result = parseFixture("wrong.yaml");
    const expected = readFileSync(new URL("wrong.faults.txt", FIXTURES), "utf8").trimEnd().split("\n");
    expect(result.ok ? [] : result.faults.map(formatFault)).toEqual(expected);
  });

  it("still warns of what has no effect", () => {
    expect(parseFixture("wrong.yaml").warnings.map(({ path }) => path)).toEqual(["spec.tuning"]);
  });

  it(
    "points at each of 1,000 wrong backends",
    () => {
      const lines = Array.from({ length: 1000 }, () => "      - { adress: 10.1.1.1, port: 0 }\n");
      const head = readFileSync(new URL("minimal.yaml", FIXTURES), "utf8").replace("{ static: [] }", "");
      const result = parse(`${head}    static:\n${lines.join("")}`, { file: "m", localAddresses: [] });
      expect(result.ok ? [] : result.faults).toHaveLength(2000);
      expect(result.ok ? undefined : result.faults.at(-1)).toMatchObject({
        path: "spec.backends.static[999].port",
        line: 1007,
      });
    },
    HANG_MS,
  );
});
