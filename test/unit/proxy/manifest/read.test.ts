import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseIpAddress } from "../../../../crds/ip_address.ts";
import { formatFault } from "../../../../proxy/manifest/fault.ts";
import { loadManifest } from "../../../../proxy/manifest/load.ts";
import { addressesOfProc, localAddresses } from "../../../../proxy/manifest/local_addresses.ts";
import { MAX_MANIFEST_BYTES, type ReadResult, readManifestText } from "../../../../proxy/manifest/read.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "manifest-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function fileOf(content: string | Uint8Array): Promise<string> {
  const file = join(directory, "edge.yaml");
  await writeFile(file, content);
  return file;
}

function lines(result: ReadResult): string[] {
  return result.ok ? [] : result.faults.map(formatFault);
}

describe("readManifestText", () => {
  it("reads a file and drops its byte order mark", async () => {
    expect(await readManifestText(await fileOf("\ufeffkind: QuicProxy\n"))).toEqual({
      ok: true,
      text: "kind: QuicProxy\n",
    });
  });

  it("reads a pipe once somebody writes to it, in parts", async () => {
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    const text = "# ".padEnd(200_000, "x");
    const read = readManifestText(pipe);
    const writer = spawn("sh", ["-c", 'sleep 0.1; cat >"$0"', pipe], { stdio: ["pipe", "ignore", "inherit"] });
    writer.stdin.end(text);
    expect(await read).toEqual({ ok: true, text });
  });

  it("reads standard input as -", async () => {
    const stdin = Readable.from([Buffer.from("kind: "), Buffer.from("QuicProxy")]);
    expect(await readManifestText("-", stdin)).toEqual({ ok: true, text: "kind: QuicProxy" });
  });

  it.each([
    ["a file that is not there", () => join(directory, "none.yaml"), "does not exist", "path of a manifest"],
    ["a directory", () => directory, "is a directory", "one file in it"],
    ["a file below a file", async () => join(await fileOf(""), "x"), "not a directory", "path of a manifest"],
    ["a name no file can have", () => join(directory, "a\0b"), "cannot be read", "a readable file"],
  ])("refuses %s with a remedy", async (_, path, what, allowed) => {
    const file = await path();
    const [line] = lines(await readManifestText(file));
    expect(line).toContain(`${file}: `);
    expect(line).toContain(what);
    expect(line?.split("; allowed: ")[1]).toContain(allowed);
  });

  it("refuses a file whose bytes cannot be had, with a remedy", async () => {
    const denied = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    const stdin = Readable.from(
      (async function* (): AsyncGenerator<Buffer> {
        yield Buffer.from("kind");
        throw denied;
      })(),
    );
    expect(lines(await readManifestText("-", stdin))[0]).toMatch(
      /may not be read by this user; allowed: a readable file/,
    );
  });

  it("refuses bytes that are not UTF-8", async () => {
    expect(lines(await readManifestText(await fileOf(Uint8Array.of(0x6b, 0xff))))[0]).toContain("is not UTF-8");
  });

  it("takes 16 MiB and refuses an octet more", async () => {
    const chunk = Buffer.alloc(MAX_MANIFEST_BYTES / 16, "#");
    const full = new Array<Buffer>(16).fill(chunk);
    expect((await readManifestText("-", Readable.from(full))).ok).toBe(true);
    const tooMuch = await readManifestText("-", Readable.from([...full, Buffer.from("#")]));
    expect(lines(tooMuch)[0]).toContain("is larger than 16 MiB");
  });
});

describe("loadManifest", () => {
  it("reads and parses", async () => {
    const file = new URL("../../../fixtures/manifests/full.yaml", import.meta.url).pathname;
    expect(await loadManifest(file)).toMatchObject({ ok: true, manifest: { metadata: { name: "edge" } } });
  });

  it("reports an unreadable file as a fault", async () => {
    expect(await loadManifest(directory)).toMatchObject({
      ok: false,
      faults: [{ file: directory, line: 0 }],
      warnings: [],
    });
  });

  it("knows this host's own addresses", async () => {
    expect(localAddresses()).toContain("127.0.0.1");
  });

  it("finds the same addresses without a netlink socket", () => {
    const canonical = (addresses: string[]) => addresses.map((text) => parseIpAddress(text)?.text);
    const found = canonical(addressesOfProc());
    expect(found).toEqual(expect.arrayContaining(canonical(localAddresses())));
    expect(found).not.toContain(undefined);
  });
});
