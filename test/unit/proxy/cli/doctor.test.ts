import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { formatBundle, MAX_BUNDLE_BYTES } from "../../../../host/doctor/bundle.ts";
import { NamespaceError } from "../../../../host/reading/live/namespace.ts";
import type { RawReading } from "../../../../host/reading/raw.ts";
import type { ReadingPlan } from "../../../../host/reading/read.ts";
import { answerJson, answerText, type HttpServer, listenHttp } from "../../../../process/http_server.ts";
import { registerDoctor } from "../../../../proxy/cli/doctor.ts";
import type { CountersReport } from "../../../../proxy/metrics/report.ts";
import { bundleOf, doctorCases } from "../../host/doctor/cases.ts";
import { fakeReport } from "../metrics/reports.ts";

/* The command with a host that is made of recorded readings. */

const incident = bundleOf(doctorCases().find(({ file }) => file === "c01_incident.yaml")!);
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "doctor-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => {
  process.exitCode = undefined;
});

interface Run {
  readonly out: string;
  readonly err: string;
  readonly code: unknown;
  readonly plans: readonly ReadingPlan[];
}

async function run(argv: readonly string[], readings: (plan: ReadingPlan) => RawReading = recorded()): Promise<Run> {
  const [out, err, plans]: [string[], string[], ReadingPlan[]] = [[], [], []];
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerDoctor(program, {
    output: { out: (text) => void out.push(text), err: (text) => void err.push(text) },
    read: (plan) => {
      plans.push(plan);
      return readings(plan);
    },
    wait: async () => {},
  });
  await program.parseAsync(["doctor", ...argv], { from: "user" });
  return { out: out.join(""), err: err.join(""), code: process.exitCode, plans };
}

/** The incident's readings, one after the other. */
function recorded(): (plan: ReadingPlan) => RawReading {
  let whole = 0;
  return ({ sources }) => {
    if (sources !== undefined) return incident.between![0]!;
    return whole++ === 0 ? incident.before! : incident.after;
  };
}

describe("quicproxy doctor", () => {
  it("judges this host: report and exit code 1 for a loss", async () => {
    const { out, code, plans } = await run(["--port", "443", "--for", "1s", "--netns", "edge"]);
    expect(code).toBe(1);
    expect(out).toContain("consumption-mismatch");
    expect(plans).toHaveLength(11);
    expect(plans[0]).toEqual({ subject: { port: 443 }, namespace: "edge" });
  });

  it("saves a bundle for its owner's eyes alone, which says the same when it is read", async () => {
    const file = join(directory, "saved.json");
    const here = await run(["--port", "443", "--json", "--save", file]);
    const there = await run(["--read", file, "--json"]);
    expect(JSON.parse(there.out)).toEqual(JSON.parse(here.out));
    expect(there).toMatchObject({ code: 1, plans: [] });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each([
    ["--port", "0"],
    ["--port", "70000"],
    ["--port", "https"],
    ["--interface", "a/b"],
    ["--for", "0s"],
    ["--for", "1h"],
    ["--read", "x", "--port", "443"],
    ["--read", "x", "--save", "y"],
  ])("refuses %s %s", async (...argv) => {
    await expect(run(argv)).rejects.toThrow(CommanderError);
  });

  it("a bundle that cannot be read: what, where, exit code 2", async () => {
    const missing = join(directory, "missing.json");
    expect(await run(["--read", missing])).toMatchObject({ code: 2, err: expect.stringContaining(missing), out: "" });
    const cut = join(directory, "cut.json");
    writeFileSync(cut, formatBundle(incident).slice(0, 999));
    expect(await run(["--read", cut])).toMatchObject({ code: 2, err: expect.stringContaining("was cut off") });
  });

  it("a file that is too large is not taken into memory", async () => {
    const large = join(directory, "large.json");
    writeFileSync(large, "");
    truncateSync(large, MAX_BUNDLE_BYTES + 1);
    expect(await run(["--read", large])).toMatchObject({ code: 2, err: expect.stringContaining("allowed: 67108864") });
  });

  it("a place that cannot be written: said, and the report is not lost with it", async () => {
    const { code, err, out } = await run(["--save", join(directory, "no/such/place.json")]);
    expect(code).toBe(2);
    expect(out).toContain("consumption-mismatch");
    expect(err).toContain("cannot be written");
  });

  it("a namespace that there is not", async () => {
    const result = await run(["--netns", "nowhere"], () => {
      throw new NamespaceError("network namespace nowhere: there is none of this name");
    });
    expect(result).toMatchObject({ code: 2, err: "network namespace nowhere: there is none of this name\n" });
  });

  it("whatever fails is exit code 2: 1 would say that a loss was found", async () => {
    const result = await run([], () => {
      throw new Error("the addon was not built");
    });
    expect(result).toMatchObject({ code: 2, err: "the addon was not built\n" });
  });

  describe("with the proxy of the host", () => {
    let server: HttpServer | undefined;
    afterEach(async () => {
      await server?.close();
      server = undefined;
    });

    /** Answers with one report after the other; undefined: it is gone. */
    async function serve(...reports: (CountersReport | undefined)[]): Promise<string> {
      let asked = 0;
      const answer = () => {
        const report = reports[asked++];
        return report === undefined ? answerText(503, "the proxy is stopping") : answerJson(report);
      };
      server = await listenHttp({ address: "127.0.0.1", port: 0 }, { "/counters": answer });
      return `127.0.0.1:${server.address.port}`;
    }

    const report = (nowMs: number, refused: number): CountersReport =>
      fakeReport({ nowMs, fill: (region) => region.set(0, "route_dropped_budget", refused) });

    it("its own hand-offs are told, and go into the bundle", async () => {
      const file = join(directory, "with_proxy.json");
      const { out, err } = await run(["--proxy", await serve(report(500, 5), report(10_500, 4005)), "--save", file]);
      expect(err).toBe("");
      expect(out).toMatch(/^ +7 +routing +LOSING +4,000 +new-flow-budget$/m);
      expect(out).toContain("newFlowsPerSecond");
      const there = await run(["--read", file]);
      expect(there.out).toBe(out);
    });

    it.each([
      ["is gone at the end", undefined, "the proxy is stopping: its own hand-offs are not told"],
      ["was started anew", report(100, 0), "was started anew within the window"],
    ])("one that %s takes nothing from the rest", async (_, second, said) => {
      const { out, err, code } = await run(["--proxy", await serve(report(500, 5), second)]);
      expect(err).toContain(said);
      expect(code).toBe(1);
      expect(out).toContain("consumption-mismatch");
    });

    it("none there: what, where, exit code 2", async () => {
      expect(await run(["--proxy", await serve()])).toMatchObject({
        code: 2,
        out: "",
        err: expect.stringContaining("503"),
      });
    });
  });

  it("a namespace that ends between the readings", async () => {
    let calls = 0;
    const result = await run(["--netns", "server"], (plan) => {
      if (++calls > 3) throw new NamespaceError("network namespace server: there is none of this name");
      return recorded()(plan);
    });
    expect(result).toMatchObject({ code: 2, out: "" });
  });
});
