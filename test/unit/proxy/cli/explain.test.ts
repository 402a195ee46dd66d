import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { registerExplain } from "../../../../proxy/cli/explain.ts";
import { enhanced, ethernet, interfaceBlock, pcapFile, section, udpOverIpv4 } from "../explain/captures.ts";

/* The command with the real addon: `make build` makes it, and `make test` calls that first. */

const KEY = "8f95f09245765f80256934e50c66207f";
/** Of the draft: rotation 2, single pass. */
const CID = "504dd2d05a7b0de9b2b9907afb5ecf8cc3";
const SERVER_ID = "ed793a51d49b8f5f";
const BACKENDS = [
  { address: "10.0.0.7", port: 4433, serverId: SERVER_ID },
  { address: "10.0.0.8", port: 4433, serverId: "ed793a51d49b8f60" },
  { address: "fd00::9", port: 4433 },
];
const TUPLE = ["--from", "192.0.2.1:50000", "--to", "192.0.2.2:443"];

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "explain-"));
  mkdirSync(join(directory, "state"));
  secret("state/default.edge.key", "000102030405060708090a0b0c0d0e0f");
  secret("cid.key", KEY);
  write("edge.yaml", manifest(BACKENDS));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => {
  process.exitCode = undefined;
});

function secret(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
  chmodSync(join(directory, name), 0o600);
}

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(join(directory, name), content);
  return join(directory, name);
}

function manifest(backends: object[], more: object = {}): string {
  return JSON.stringify({
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata: { name: "edge" },
    spec: {
      listeners: [{ port: 443 }],
      backends: { static: backends },
      routing: {
        quicLB: [
          { rotation: 0, serverIdLength: 3, nonceLength: 4 },
          { rotation: 2, serverIdLength: 8, nonceLength: 8, key: { file: "cid.key" } },
        ],
        ...more,
      },
    },
  });
}

interface Outcome {
  out: string;
  err: string;
  exitCode: number;
}

async function explain(...options: string[]): Promise<Outcome> {
  const written = { out: [] as string[], err: [] as string[] };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerExplain(program, { out: (text) => written.out.push(text), err: (text) => written.err.push(text) });
  const places = ["-f", join(directory, "edge.yaml"), "--state-dir", join(directory, "state")];
  await program.parseAsync(["explain", ...places, ...options], { from: "user" });
  return { out: written.out.join(""), err: written.err.join(""), exitCode: Number(process.exitCode ?? 0) };
}

async function json(...options: string[]) {
  const { out, exitCode } = await explain("--json", ...options);
  expect(exitCode).toBe(0);
  return JSON.parse(out);
}

describe("quicproxy explain", () => {
  it("names config, server ID and backend of a routable Connection ID, and not its nonce", async () => {
    const { out, exitCode } = await explain("--cid", CID, ...TUPLE);
    expect(exitCode).toBe(0);
    expect(out).toContain("rule: quic_lb\n");
    expect(out).toContain(`config 2 (server ID 8 + nonce 8 octets, encrypted) gives server ID ${SERVER_ID}\n`);
    expect(out).toContain("backend: 10.0.0.7:4433, weight 1\n");
    expect(out).toMatch(/once it is gone: (10.0.0.8|\[fd00::9]):4433, weight 1; its flows stay with it/);
    expect(out).not.toContain("ee080dbf");
    expect(out).not.toContain(KEY);
  });

  it("takes the ID out of long and short headers, as the router does", async () => {
    const long = await json("--packet", `c00000000111${CID}0401020304`);
    expect(long).toMatchObject({ form: "long", version: "0x00000001", dcid: CID, scid: "01020304", rule: "quic_lb" });
    const short = await json("--packet", `0x40 ${CID} aa:bb`);
    expect(short).toMatchObject({ form: "short", rule: "quic_lb", serverId: SERVER_ID, octets: 20 });
    expect(short.backend).toEqual({ address: "10.0.0.7", port: 4433, weight: 1 });
  });

  it.each([
    ["e0010203040506070809", "no_config", "rotation 7 says that the server had no QUIC-LB config"],
    ["20010203040506070809", "no_config", "no config has rotation 1"],
    ["0001020304", "too_short", "rotation 0 takes 8 octets, there are fewer"],
    ["00c4605e01020304", "unknown_server", "gives server ID c4605e, which no backend has"],
  ])("says why %s is not routable", async (cid, outcome, why) => {
    const found = await json("--cid", cid);
    expect(found).toMatchObject({ rule: "fallback", quicLb: outcome });
    expect(found.why[0]).toContain(why);
    expect(found.backend).toBeUndefined();
    expect(found.why.at(-1)).toContain("name it with --from and --to");
  });

  it("foretells the fallback's choice, also once that backend is gone", async () => {
    const packet = ["--packet", "c0000000010401020304 0405060708"];
    const { backend, onceGone } = await json(...packet, ...TUPLE);
    write("less.yaml", manifest(BACKENDS.filter(({ address }) => address !== backend.address)));
    const less = await json(...packet, ...TUPLE, "-f", join(directory, "less.yaml"));
    expect(less.backend).toEqual(onceGone.backend);
  });

  it("does not pretend to know a hash key that is not there, and makes none", async () => {
    const options = ["--packet", "40", ...TUPLE, "--state-dir", join(directory, "elsewhere")];
    const { out, err } = await explain(...options);
    expect(err).toContain("no proxy has run with this state directory");
    expect(out).toContain("backend: unknown\n");
    expect(() => readFileSync(join(directory, "elsewhere/default.edge.key"))).toThrow();
  });

  it("says that without a backend the datagram is dropped", async () => {
    write("none.yaml", manifest([]));
    const { out } = await explain("--packet", "40", "-f", join(directory, "none.yaml"));
    expect(out).toContain("rule: none\n");
    expect(out).toContain("it is dropped and counted");
  });

  it("explains the datagrams of a capture that go to a listener", async () => {
    const toUs = { from: [192, 0, 2, 1], to: [192, 0, 2, 2], payload: Buffer.from(`40${CID}00`, "hex") };
    const frames = [ethernet(0x0800, udpOverIpv4(toUs)), ethernet(0x0806, Buffer.alloc(28))];
    const away = ethernet(0x0800, udpOverIpv4(toUs));
    away.writeUInt16BE(444, 14 + 20 + 2);
    const octets = [...frames, away].map((frame) => ({ octets: frame }));
    const pcap = write("a.pcap", pcapFile(1, octets));
    const { out, exitCode } = await explain("--pcap", pcap);
    expect(exitCode).toBe(0);
    expect(out).toContain("packet 1: short header, 19 octets, 192.0.2.1:50000 to 192.0.2.2:443\n");
    expect(out).toContain("1 explained, 1 no IP, 1 not to a listener\n");
    const pcapng = write(
      "a.pcapng",
      Buffer.concat([section(), interfaceBlock(1), enhanced(frames[0]!), enhanced(frames[0]!)]),
    );
    const { packets, skipped } = await json("--pcap", pcapng, "--limit", "1");
    expect(packets).toHaveLength(1);
    expect(packets[0]).toMatchObject({ packet: 1, cut: false, rule: "quic_lb" });
    expect(skipped).toEqual({ "beyond the limit": 1 });
  });

  it.each([
    ["a wrong digit", ["--cid", "50zz"], '--cid: "z" at digit 3 is not hexadecimal'],
    ["half an octet", ["--packet", "405"], "--packet: 3 digits; allowed: two for each octet"],
    ["too long an ID", ["--cid", "00".repeat(21)], "--cid: 21 octets; allowed: 1 to 20"],
    ["nothing", [], "nothing to explain; allowed: one of --packet, --cid and --pcap"],
    ["half a tuple", ["--cid", CID, "--from", "192.0.2.1:1"], "--from and --to: name both, or neither"],
    ["no address", ["--cid", CID, "--from", "here:1", "--to", "192.0.2.2:443"], '--from: found "here:1"; allowed:'],
    ["two families", ["--cid", CID, "--from", "[::1]:1", "--to", "192.0.2.2:443"], "are of different families"],
    ["no file", ["--pcap", "/nowhere/a.pcap"], "/nowhere/a.pcap cannot be read: ENOENT"],
  ])("refuses %s with 2 and the remedy", async (_, options, message) => {
    const { out, err, exitCode } = await explain(...options);
    expect({ out, exitCode }).toEqual({ out: "", exitCode: 2 });
    expect(err).toContain(message);
  });

  it("refuses a file that is no capture, and a manifest with faults, with 2", async () => {
    const file = write("b.pcap", "text");
    expect(await explain("--pcap", file)).toMatchObject({ exitCode: 2, out: "" });
    const wrong = write("wrong.yaml", "kind: QuicProxy\n");
    const { err, exitCode } = await explain("-f", wrong, "--cid", CID);
    expect(exitCode).toBe(2);
    expect(err).toContain("wrong.yaml:1:1: apiVersion");
  });

  it("refuses two questions at once", async () => {
    await expect(explain("--cid", CID, "--packet", "40")).rejects.toThrow(CommanderError);
  });
});
