import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { startMapping } from "../../../../proxy/lab/nat.ts";
import { changedDuringTransfer } from "../../../../proxy/lab/nat_process.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const item of open.splice(0)) item.close();
});

async function boundSocket(): Promise<Socket> {
  const socket = createSocket("udp4");
  open.push(socket);
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

async function received(socket: Socket): Promise<{ text: string; from: RemoteInfo }> {
  const [message, from] = (await once(socket, "message")) as [Buffer, RemoteInfo];
  return { text: message.toString(), from };
}

test("after so many datagrams the client's next one leaves by the new socket, and the old one is dead", async () => {
  const server = await boundSocket();
  const client = await boundSocket();
  const spare = await boundSocket();
  const innerPort = spare.address().port;
  spare.close();
  open.splice(open.indexOf(spare), 1);
  const mapping = await startMapping({
    inner: { address: "127.0.0.1", port: innerPort },
    remote: { address: "127.0.0.1", port: server.address().port },
    outer: [{ address: "127.0.0.1" }, { address: "127.0.0.1" }],
    rebindAfter: 2,
  });
  open.push(mapping);
  const { report } = mapping;
  const ask = async (text: string): Promise<RemoteInfo> => {
    const arrived = received(server);
    client.send(text, innerPort, "127.0.0.1");
    const { from, text: got } = await arrived;
    expect(got).toBe(text);
    return from;
  };
  const answer = async (text: string, to: RemoteInfo): Promise<void> => {
    const arrived = received(client);
    server.send(text, to.port, to.address);
    expect((await arrived).text).toBe(text);
  };

  const first = await ask("one");
  await answer("a", first);
  expect((await ask("two")).port).toBe(first.port);
  await answer("b", first);
  expect(changedDuringTransfer(report)).toBe(false);

  const second = await ask("three");
  expect(second.port).not.toBe(first.port);
  server.send("late", first.port, first.address);
  await expect.poll(() => report.late, { timeout: 30_000 }).toBe(1);
  await answer("c", second);
  expect(changedDuringTransfer(report)).toBe(true);
  expect(report).toMatchObject({
    outer: [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`],
    sent: [2, 1],
    received: [2, 1],
    late: 1,
  });
});
