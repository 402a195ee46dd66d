import { afterEach, describe, expect, it } from "vitest";
import { answerJson, answerText, type HttpServer, listenHttp, type Routes } from "../../../../process/http_server.ts";
import { fetchReport, UnreachableError } from "../../../../proxy/cli/top_client.ts";
import { fakeReport } from "../metrics/reports.ts";

let server: HttpServer | undefined;

async function serve(routes: Routes): Promise<HttpServer["address"]> {
  server = await listenHttp({ address: "127.0.0.1", port: 0 }, routes);
  return server.address;
}

afterEach(async () => {
  await server?.close();
  server = undefined;
});

describe("fetchReport", () => {
  it("reads the counters of a proxy", async () => {
    const report = fakeReport({ nowMs: 500 });
    const address = await serve({ "/counters": () => answerJson(report) });
    expect(await fetchReport(address)).toEqual(report);
  });

  it("says that nothing listens", async () => {
    const address = await serve({});
    await server?.close();
    await expect(fetchReport(address)).rejects.toThrow(UnreachableError);
    await expect(fetchReport(address)).rejects.toThrow(
      `no quicproxy answers on 127.0.0.1:${address.port}: nothing listens`,
    );
  });

  it("passes on what a starting proxy says", async () => {
    const address = await serve({ "/counters": () => answerText(503, "the proxy is starting") });
    await expect(fetchReport(address)).rejects.toThrow("HTTP 503: the proxy is starting");
  });

  it.each(["hello", "null", '{"totals":{}}', "[]"])("recognises that %s is not from a proxy", async (body) => {
    const address = await serve({ "/counters": () => ({ ...answerText(200, body), contentType: "text/html" }) });
    await expect(fetchReport(address)).rejects.toThrow("is not quicproxy");
  });
});
