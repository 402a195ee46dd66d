import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HttpServer, listenHttp } from "../../../process/http_server.ts";

let server: HttpServer;

beforeEach(async () => {
  server = await listenHttp({ address: "127.0.0.1", port: 0 }, {});
});

afterEach(async () => {
  await server.close();
});

describe("listenHttp", () => {
  it("says how to find the process that has the port", async () => {
    await expect(listenHttp(server.address, {})).rejects.toThrow(
      `metrics and health on 127.0.0.1:${server.address.port}: another process has this TCP port; ` +
        `see which one with: ss -tlpn 'sport = :${server.address.port}'`,
    );
  });

  it("says when the address is not on this host", async () => {
    await expect(listenHttp({ address: "192.0.2.1", port: 0 }, {})).rejects.toThrow("the address is not on this host");
  });

  it("without an address it listens on those of both families, and says so", async () => {
    const open = await listenHttp({ address: undefined, port: 0 }, {});
    try {
      expect(["::", "0.0.0.0"]).toContain(open.address.address);
      expect((await fetch(`http://127.0.0.1:${open.address.port}/`)).status).toBe(404);
    } finally {
      await open.close();
    }
  });
});
