import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answerJson, type HttpServer, listenHttp } from "../../../../process/http_server.ts";
import { registerTop } from "../../../../proxy/cli/top.ts";
import { fakeReport } from "../metrics/reports.ts";

let server: HttpServer;
let out: string;
let err: string;
let readings: number;

beforeEach(async () => {
  out = "";
  err = "";
  readings = 0;
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(console, "error").mockImplementation((text: string) => {
    err += text;
  });
  server = await listenHttp(
    { address: "127.0.0.1", port: 0 },
    {
      "/counters": () => {
        readings++;
        const fill = (region: { set(worker: number, name: "forward_sent", value: number): void }): void =>
          region.set(0, "forward_sent", readings * 100);
        return answerJson(fakeReport({ fill, nowMs: readings * 1000 }));
      },
    },
  );
});

afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await server.close();
});

async function top(...options: string[]): Promise<void> {
  const program = new Command();
  registerTop(program);
  const address = `127.0.0.1:${server.address.port}`;
  await program.parseAsync(["top", "--once", "--interval", "100ms", "--address", address, ...options], {
    from: "user",
  });
}

describe("quicproxy top --once", () => {
  it("prints one plain screen with the rates between two readings", async () => {
    await top();
    expect(readings).toBe(2);
    expect(out).toContain("media/edge");
    expect(out).toMatch(/^forward +sent +100 +200$/m);
    expect(out).not.toContain("\x1b[?1049h");
  });

  it("prints the reading and its rates as one line of JSON", async () => {
    await top("--json");
    const [line, rest] = out.split("\n");
    expect(rest).toBe("");
    expect(JSON.parse(line ?? "")).toMatchObject({
      name: "edge",
      totals: { forward_sent: 200 },
      elapsedMs: 1000,
      ratesPerSecond: { forward_sent: 100 },
    });
  });

  it("ends with 1 and a reason where no proxy answers", async () => {
    await server.close();
    await top();
    expect(process.exitCode).toBe(1);
    expect(err).toContain("no quicproxy answers on 127.0.0.1:");
    expect(out).toBe("");
  });
});
