import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadHostAddon } from "../../../../../host/reading/live/addon.ts";

it("an addon that was not built is said to be missing, with what builds it", () => {
  const path = "/nonexistent/quicproxy_host.node";
  expect(() => loadHostAddon(path)).toThrow(
    `the native addon ${path} does not load (there is no such file): build it with`,
  );
});

it("one that is broken is said to be, with the loader's words", () => {
  const directory = mkdtempSync(join(tmpdir(), "quicproxy-addon-"));
  const path = join(directory, "quicproxy_host.node");
  writeFileSync(path, "no library");
  expect(() => loadHostAddon(path)).toThrow(
    /does not load \((?!there is no such file).+\): build it with `make build`/,
  );
  rmSync(directory, { recursive: true });
});

it("refuses what is no argument of its calls", () => {
  const addon = loadHostAddon() as unknown as Record<string, (...args: unknown[]) => unknown>;
  const request = new Uint8Array(16);
  for (const args of [
    [],
    ["0", request, 1, 1],
    [0, "x", 1, 1],
    [0, new Uint16Array(8), 1, 1],
    [0, request, "1", 1],
    [0, request, 1],
  ]) {
    expect(() => addon.netlink!(...args)).toThrow(TypeError);
  }
  for (const args of [[], [1, request, 1], ["lo", "x", 1], ["lo", request]]) {
    expect(() => addon.ethtool!(...args)).toThrow(TypeError);
  }
  expect(() => addon.enterNetworkNamespace!()).toThrow(TypeError);
});

it("errors are as those of Node.js", () => {
  const addon = loadHostAddon();
  const error = (call: () => unknown): unknown => {
    try {
      return call();
    } catch (thrown) {
      return thrown;
    }
  };
  expect(error(() => addon.ethtool("no-such-one", Buffer.from([10, 0, 0, 0]), 8))).toMatchObject({
    code: "ENODEV",
    syscall: "ioctl",
  });
  expect(error(() => addon.enterNetworkNamespace(-1))).toMatchObject({ code: "EBADF", syscall: "setns" });
  expect(error(() => addon.netlink(31, Buffer.alloc(16), 1, 1))).toMatchObject({ code: "EINVAL", syscall: "send" });
});
