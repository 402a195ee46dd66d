import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

/*
 * Runs on the clients' host. `answer PORT LABEL` answers every datagram with the label. `ask PORT ADDRESS...` sends
 * datagrams to the addresses, each from a socket of its own, so that each is a new flow, and prints a line of JSON when
 * the label that comes back from an address changes. `survey PORT ADDRESS...` prints a line for each: in which round, to which
 * address, and whether it was answered.
 */

const askEveryMs = 25;
const answerWithinMs = 1_000;
/** As long as a busy machine may let everybody stand still: what comes then was not lost. */
const surveyWithinMs = 8_000;

function answer(port: number, label: string): void {
  const socket = createSocket("udp4");
  socket.on("message", (_message, from) => socket.send(label, from.port, from.address));
  socket.bind(port, () => console.log("ready"));
}

function ask(port: number, address: string, told: (label: string) => void, withinMs = answerWithinMs): void {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  const close = setTimeout(() => socket.close(), withinMs);
  socket.on("message", (message) => {
    clearTimeout(close);
    socket.close();
    told(message.toString());
  });
  // A refusal by the host, where nothing listens yet, is no answer.
  socket.on("error", () => {});
  socket.send("who", port, address);
}

function askAll(port: number, addresses: readonly string[]): void {
  const last = new Map<string, string>();
  setInterval(() => {
    for (const address of addresses) {
      ask(port, address, (label) => {
        if (last.get(address) === label) return;
        last.set(address, label);
        console.log(JSON.stringify({ address, label, at: Date.now() }));
      });
    }
  }, askEveryMs);
  console.log("ready");
}

function survey(port: number, addresses: readonly string[]): void {
  let round = 0;
  setInterval(() => {
    const asked = round++;
    for (const address of addresses) {
      let answered = false;
      ask(port, address, () => (answered = true), surveyWithinMs + 100);
      // After a stop of this process timers come first, and what has arrived meanwhile only then.
      const tell = (): void => console.log(JSON.stringify({ round: asked, address, answered }));
      setTimeout(() => setTimeout(tell, 200), surveyWithinMs);
    }
  }, askEveryMs);
  console.log("ready");
}

const [what, port, ...rest] = process.argv.slice(2);
if (what === "answer") answer(Number(port), rest[0]!);
else if (what === "survey") survey(Number(port), rest);
else askAll(Number(port), rest);
