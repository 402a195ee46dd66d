import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { boundConnections } from "../../../process/http_connections.ts";

const LIMIT = { timeout: 30_000 };

let server: Server;
let clients: Socket[];
let held: (() => void)[];

beforeEach(async () => {
  clients = [];
  held = [];
  server = createServer((request, response) => {
    if (request.url === "/slow") held.push(() => response.end());
    else response.end("ok");
  });
  boundConnections(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const port = (): number => (server.address() as AddressInfo).port;

async function open(): Promise<Socket> {
  const client = connect(port(), "127.0.0.1").on("error", () => {});
  clients.push(client);
  await once(client, "connect");
  return client;
}

const countOf = (): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));

const answer = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port()}/`)).text();

it("answers however many connections are open on which nobody asks, and ends the oldest of them", async () => {
  for (let count = 0; count < 500; count++) await open();
  expect(await answer()).toBe("ok");
  await vi.waitFor(async () => expect(await countOf()).toBeLessThanOrEqual(33), LIMIT);
  expect(clients[0]!.closed || clients[0]!.readableEnded).toBe(true);
});

it("answers however many connections hold the beginning of a request", async () => {
  for (let count = 0; count < 500; count++) (await open()).write("GET / HTTP/1.1\r\nHost:");
  expect(await answer()).toBe("ok");
});

it("leaves alone a connection that waits for its answer", async () => {
  const asking = await open();
  asking.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await vi.waitFor(() => expect(held).toHaveLength(1), LIMIT);
  for (let count = 0; count < 100; count++) await open();
  held[0]!();
  const [head] = (await once(asking, "data")) as [Buffer];
  expect(head.toString()).toContain("200 OK");
});

it("closes new connections at once while so many wait for answers that no more may be open", async () => {
  const request = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
  for (let count = 0; count < 100; count++) (await open()).write(request);
  await vi.waitFor(
    () => expect(clients.filter((client) => client.readableEnded || client.closed).length).toBe(52),
    LIMIT,
  );
  expect(held).toHaveLength(48);
  for (const end of held) end();
  await vi.waitFor(async () => expect(await answer()).toBe("ok"), LIMIT);
});
