import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatBundle, parseBundle } from "../../../../host/doctor/bundle.ts";
import { BundleError } from "../../../../host/doctor/bundle_error.ts";
import { formatJson } from "../../../../host/doctor/json.ts";
import { judge } from "../../../../host/doctor/judge.ts";
import { formatReport } from "../../../../host/doctor/text.ts";
import { parseReading } from "../../../../host/reading/parse.ts";
import type { Bundle } from "../../../../host/reading/raw.ts";
import { bundleOf, doctorCases } from "./cases.ts";

const incident = bundleOf(doctorCases().find(({ file }) => file === "c01_incident.yaml")!);
const text = formatBundle(incident);
const changed = (change: (bundle: Record<string, unknown>) => void): string => {
  const bundle = JSON.parse(text) as Record<string, unknown>;
  change(bundle);
  return JSON.stringify(bundle);
};

describe("a bundle", () => {
  it("is read as it was written", () => {
    expect(parseBundle(text, "f")).toEqual(incident);
  });

  it.each([
    ["empty", "", "f is no bundle, or was cut off: it is empty"],
    ["truncated", text.slice(0, 5000), "f is no bundle, or was cut off"],
    ["foreign JSON", '{"kind":"Pod"}', 'its format is none, allowed: "quicproxy.io/doctor-bundle/v1"'],
    ["of a later version", '{"format":"quicproxy.io/doctor-bundle/v2"}', "its format is"],
    ["a list", "[]", "f: allowed: an object"],
    ["without readings", changed((all) => delete all.after), "f: after: allowed: an object"],
    ["with a port that there is not", changed((all) => (all.subject = { port: 70000 })), "f: subject.port"],
    [
      "with an interface that there is not",
      changed((all) => (all.subject = { interface: "../x" })),
      "f: subject.inter",
    ],
    ["with a clock that is none", changed((all) => ((all.after as { steadyMs: unknown }).steadyMs = "1")), "steadyMs"],
    ["with a time that is none", changed((all) => ((all.after as { time: unknown }).time = "soon")), "f: after.time"],
    [
      "with a source of two kinds",
      changed((all) => (all.before = withSource({ text: "", error: "" }))),
      "allowed: one of",
    ],
    ["with a source that is a number", changed((all) => (all.before = withSource(7))), 'sources["proc/stat"]'],
    ["with more readings than it may", changed((all) => (all.between = Array(61).fill(null))), "at most 60"],
    ["with more sources than it may", changed((all) => (all.before = manySources())), "at most 4096"],
    [
      "with more lines than it may",
      changed((all) => (all.before = withSource({ text: "\n".repeat(300_000) }))),
      "lines",
    ],
    ["with a note like a book", changed((all) => (all.note = "x".repeat(5000))), "f: note"],
  ])("that is %s is refused, and the message says where", (_, content, message) => {
    expect(() => parseBundle(content, "f")).toThrow(BundleError);
    expect(() => parseBundle(content, "f")).toThrow(message);
  });

  it("whose readings are in the wrong order is refused", () => {
    const { before, after } = incident;
    expect(() => judge({ ...incident, before: after, after: before! })).toThrow(
      /not later than the first.*in this order/,
    );
  });
});

const withSource = (source: unknown) => ({
  steadyMs: 0,
  time: "2026-01-31T12:00:00Z",
  sources: { "proc/stat": source },
});
const manySources = () => ({
  ...withSource({ text: "" }),
  sources: Object.fromEntries(Array.from({ length: 5000 }, (_, place) => [`source${place}`, { text: "" }])),
});

describe("the proxy's part of a bundle", () => {
  const good = {
    received: 10,
    forwarded: 9,
    ringFull: 0,
    refused: { budget: 1, tableFull: 0, noPort: 0, noBackend: 0 },
    backends: [{ name: "10.0.0.7:4433", sent: 9, answered: 8, refused: 0 }],
  };
  const parse = (proxy: unknown) => parseBundle(JSON.stringify({ ...incident, proxy }), "b.json");

  it("is kept as it is", () => expect(parse(good).proxy).toEqual(good));

  it.each([
    ["a number that is none", { ...good, received: -1 }, /b\.json: proxy\.received: /],
    ["a cause that is missing", { ...good, refused: {} }, /b\.json: proxy\.refused\.budget: /],
    [
      "a name with an escape",
      { ...good, backends: [{ ...good.backends[0], name: "\u001b[2J" }] },
      /proxy\.backends\.0\.name: /,
    ],
    ["no object", 7, /b\.json: proxy: /],
  ])("says what is wrong: %s", (_, proxy, said) => expect(() => parse(proxy)).toThrow(said));
});

describe("whatever stands in a bundle", () => {
  const sources = Object.keys(incident.after.sources);
  const number = fc.oneof(
    fc.nat().map(String),
    fc.constantFrom("4294967295", "18446744073709551615", "9".repeat(400), "-1"),
  );
  /** A text of the kernel with some of its numbers changed. */
  const disturbed = (bundle: Bundle): fc.Arbitrary<Bundle> =>
    fc.array(fc.tuple(fc.constantFrom(...sources), fc.nat(400), number), { maxLength: 20 }).map((changes) => {
      const after = { ...bundle.after.sources };
      for (const [name, place, value] of changes) {
        const source = after[name]!;
        if (!("text" in source)) continue;
        let at = 0;
        after[name] = { text: source.text.replaceAll(/\d+/g, (old) => (at++ === place ? value : old)) };
      }
      return { ...bundle, after: { ...bundle.after, sources: after } };
    });

  it("the report has numbers, none of them negative, and its hand-offs in order", () => {
    fc.assert(
      fc.property(disturbed(incident), (bundle) => {
        const report = judge(bundle);
        const printed = formatReport(report);
        expect(printed).not.toMatch(/NaN|Infinity|undefined|-\d[\d,]* datagrams/);
        for (const { datagrams = 0, share = 0 } of report.findings) {
          expect(datagrams).toBeGreaterThanOrEqual(0);
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(1);
        }
        for (const { lost } of report.rows) expect(lost).toBeGreaterThanOrEqual(0);
        expect(JSON.parse(formatJson(report))).toMatchObject({ exitCode: report.exitCode });
      }),
      { numRuns: 300 },
    );
  });

  it("tables as large as a bundle may have them are judged in a moment", () => {
    const rows = 20_000;
    const lines = (line: (place: number) => string): string =>
      Array.from({ length: rows }, (_, i) => line(i)).join("\n");
    const table = (drops: number): string =>
      `sl\n${lines((i) => `${i}: 00000000:01BB 00000000:0000 07 00000000:0003B000 00:00000000 0 0 0 ${i + 1} 2 0 ${drops + i}`)}`;
    const large = (reading: typeof incident.after, drops: number) => ({
      ...reading,
      sources: {
        ...reading.sources,
        "inet_diag/udp4": { error: "not there" },
        "proc/net/udp": { text: table(drops) },
        "proc/net/netfilter/nfnetlink_queue": { text: lines((i) => `${i} 1 0 2 0 ${drops * i} 0 0 1`) },
        "proc/net/softnet_stat": { text: lines(() => "00000001 00000000 00000000") },
        "rtnl/link": { error: "not there" },
        "proc/net/dev": { text: lines((i) => `eth${i}: 1 ${drops} 0 ${drops} 0 0 0 0 0 0 0 ${drops} 0 0 0 0`) },
        "proc/stat": { text: lines((i) => `cpu${i} 1 0 ${drops} 4 0 0 0 0 0 0`) },
      },
    });
    const report = judge({ ...incident, before: large(incident.before!, 0), after: large(incident.after, 500) });
    expect(formatReport(report).length).toBeLessThan(100_000);
    expect(report.exitCode).toBe(1);
  });

  it("as many sockets as lines are allowed overflow no stack", () => {
    const text = Array.from(
      { length: 199_000 },
      (_, place) =>
        `${place}: 00000000:01BB 00000000:0000 07 00000000:00000000 00:00000000 0 0 0 ${place + 1} 2 0 ${place}`,
    ).join("\n");
    const sources = { "inet_diag/udp4": { error: "not there" }, "proc/net/udp": { text: `sl\n${text}` } };
    const reading = { steadyMs: 0, time: "2026-01-31T12:00:00Z", sources };
    expect(parseReading(reading).sockets?.length).toBe(199_000);
  });

  it("texts of anybody steer no terminal", () => {
    const sequence = "\u001b]0;owned\u0007\u202e";
    const sources = Object.fromEntries(
      Object.entries(incident.after.sources).map(([name, source]) => [
        name,
        "text" in source ? { text: source.text.replaceAll("proxy", `pr${sequence}oxy`) } : { error: sequence },
      ]),
    );
    const printed = formatReport(judge({ ...incident, note: sequence, after: { ...incident.after, sources } }));
    expect(printed.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  it("a bundle that was cut anywhere is refused or judged, and never breaks", () => {
    fc.assert(
      fc.property(fc.nat(text.length - 2), (length) => {
        expect(() => parseBundle(text.slice(0, length), "f")).toThrow(BundleError);
      }),
      { numRuns: 50 },
    );
  });
});
