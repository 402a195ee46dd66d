import { describe, expect, it } from "vitest";
import { parseProxy } from "../../../operator/parse.ts";
import { parse } from "../../../proxy/manifest/parse.ts";
import { usableBackends } from "../../../proxy/node/usable_backends.ts";
import { nodeSpec } from "../proxy/node/specs.ts";

/* S10: no QuicProxy makes the nodes send to what trusts them. */

const METADATA = ["fd00:ec2::254", "FD00:0EC2:0:0::0254", "100.100.100.200", "192.0.0.192"];
const NEVER = ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", ...METADATA];
const LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1"];

const specOf = (address: string) => ({
  listeners: [{ port: 443 }],
  backends: {
    static: [
      { address: "10.0.0.7", port: 4433 },
      { address, port: 53 },
    ],
  },
});

function standalone(address: string): string[] {
  const document = {
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata: { name: "edge" },
    spec: specOf(address),
  };
  const result = parse(JSON.stringify(document), { file: "edge.yaml", localAddresses: [] });
  return result.ok ? [] : result.faults.map(({ path }) => path);
}

const inCluster = (address: string): boolean => parseProxy({ spec: specOf(address) }).faults.length === 0;
const onNode = (address: string): boolean => {
  const { listeners, routing } = nodeSpec({}).intent;
  return usableBackends([{ address, port: 53, weight: 1 }], { listeners, routing }, []).backends.length === 1;
};

describe("S10: destinations that are nobody's QUIC server", () => {
  it.each(NEVER)("%s is refused everywhere", (address) => {
    expect(standalone(address)).toEqual(["spec.backends.static[1].address"]);
    expect([inCluster(address), onNode(address)]).toEqual([false, false]);
  });

  it.each(LOOPBACK)("%s is its owner's to name on his own host, and refused in a cluster", (address) => {
    expect(standalone(address)).toEqual([]);
    expect([inCluster(address), onNode(address)]).toEqual([false, false]);
  });

  it.each([
    "10.0.0.8",
    "2001:db8::8",
    "100.100.100.201",
    "fd00:ec2::253",
  ])("%s is an address like any other", (address) => {
    expect(standalone(address)).toEqual([]);
    expect([inCluster(address), onNode(address)]).toEqual([true, true]);
  });
});
