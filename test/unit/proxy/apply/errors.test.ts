import { describe, expect, it } from "vitest";
import { AddonMissingError, loadAddon, type NativeError } from "../../../../proxy/apply/addon.ts";
import { explainNativeError, formatExplanation, isNativeError, NATIVE_ERRORS } from "../../../../proxy/apply/errors.ts";
import { nativeError } from "./fakes.ts";

const ENDPOINTS = [
  { address: "0.0.0.0", port: 443, listener: 0 },
  { address: "::", port: 443, listener: 0 },
  { address: "192.0.2.1", port: 8443, listener: 1 },
];

const explain = (error: Error) =>
  explainNativeError(error as NativeError, { endpoints: ENDPOINTS, openFilesNeeded: 402 });

describe("explainNativeError", () => {
  it("names the place in the manifest and how to find the process that has the port", () => {
    const explanation = explain(nativeError("LISTEN_PORT_BUSY", "bind: EADDRINUSE", 2));
    expect(explanation).toMatchObject({ code: "LISTEN_PORT_BUSY", path: "spec.listeners[1]" });
    expect(formatExplanation(explanation)).toBe(
      "spec.listeners[1]: 192.0.2.1:8443: another process has this UDP port; " +
        "see which one with: ss -ulpn 'sport = :8443'; stop it or choose another port",
    );
  });

  it("says which right is missing for a port below 1024, and only there", () => {
    const low = explain(nativeError("LISTEN_PORT_DENIED", "bind: EACCES", 1));
    expect(low.message).toContain("[::]:443");
    for (const remedy of ["CAP_NET_BIND_SERVICE", "setcap", "net.ipv4.ip_unprivileged_port_start=443"]) {
      expect(low.remedy).toContain(remedy);
    }
    expect(explain(nativeError("LISTEN_PORT_DENIED", "bind: EPERM", 2)).remedy).not.toContain("setcap");
  });

  it("keeps what the native side says about fields that need a restart", () => {
    const text = formatExplanation(explain(nativeError("NEEDS_RESTART", "workers 2 -> 4, mode")));
    expect(text).toContain("workers 2 -> 4, mode");
    expect(text).toContain("restart the proxy");
  });

  it.each(Object.keys(NATIVE_ERRORS))("has a message and a remedy for %s, with and without an endpoint", (code) => {
    for (const endpoint of [undefined, 0, 99]) {
      const text = formatExplanation(explain(nativeError(code as NativeError["code"], "detail", endpoint)));
      expect(text).not.toContain("undefined");
      expect(text.split("; ").length).toBeGreaterThan(1);
    }
  });

  it("says how many open files are needed where they are what is missing, whatever failed for it", () => {
    for (const code of ["LISTEN_FAILED", "NO_MEMORY"] as const) {
      const { remedy } = explain(Object.assign(nativeError(code, "EMFILE"), { errno: "EMFILE" }));
      expect(remedy).toMatch(/needs a limit on open files of 402 .*it is \d+: raise it with `ulimit -n`/);
    }
  });

  it("tells native errors from others", () => {
    expect(isNativeError(nativeError("NO_MEMORY", ""))).toBe(true);
    expect(isNativeError(Object.assign(new Error(), { code: "ENOENT" }))).toBe(false);
    expect(isNativeError({ code: "NO_MEMORY" })).toBe(false);
  });
});

describe("loadAddon", () => {
  it("says how to build an addon that is missing", () => {
    expect(() => loadAddon("/nonexistent/quicproxy.node")).toThrow(AddonMissingError);
    expect(() => loadAddon("/nonexistent/quicproxy.node")).toThrow("make build");
  });

  it("says how to build an addon that does not load", () => {
    expect(() => loadAddon(import.meta.filename)).toThrow(/does not load.*make build/s);
  });
});
