import { describe } from "vitest";
import { backend, backends, type Row, spec, testRows } from "./manifests.ts";

const BACKEND_ROWS: Row[] = [
  [
    "no source of backends",
    backends("{}"),
    ["spec.backends", "names no backends", "exactly one of service and static"],
  ],
  [
    "both sources",
    backends("{ static: [], service: { name: a, port: 1 } }"),
    ["spec.backends", "has both", "exactly one"],
    ["spec.backends.service", "needs a cluster"],
  ],
  [
    "a Service without a cluster",
    backends("{ service: { name: a, port: 1 } }"),
    ["spec.backends.service", "needs a cluster", "backends.static"],
  ],
  [
    "a Service without port",
    backends("{ service: { name: a } }"),
    ["spec.backends.service", "names no port"],
    ["spec.backends.service", "needs a cluster"],
  ],
  ["an empty static", backends("{ static: }"), ["spec.backends.static", "is empty"]],
  ["16385 backends", backend("1, ".repeat(16_385)), ["spec.backends.static", "found a list of 16385", "16384"]],
  [
    "an unspecified IPv4 backend",
    backend("{ address: 0.0.0.0, port: 1 }"),
    ["spec.backends.static[0].address", "not unspecified"],
  ],
  [
    "an unspecified IPv6 backend",
    backend('{ address: "::", port: 1 }'),
    ["spec.backends.static[0].address", "not unspecified"],
  ],
  [
    "S10: an IPv4 link-local backend, the metadata service",
    backend("{ address: 169.254.169.254, port: 80 }"),
    ["spec.backends.static[0].address", "link-local"],
  ],
  [
    "S10: an IPv6 metadata service in another spelling",
    backend('{ address: "FD00:EC2:0::254", port: 80 }'),
    ["spec.backends.static[0].address", "fd00:ec2::254 is a cloud's metadata service", "a QUIC server"],
  ],
  [
    "S10: a metadata service among public addresses",
    backend("{ address: 10.0.0.7, port: 1 }, { address: 100.100.100.200, port: 80 }"),
    ["spec.backends.static[1].address", "metadata service"],
  ],
  [
    "a multicast IPv4 backend",
    backend("{ address: 224.0.0.1, port: 1 }"),
    ["spec.backends.static[0].address", "multicast"],
  ],
  [
    "a multicast IPv6 backend",
    backend('{ address: "ff02::1", port: 1 }'),
    ["spec.backends.static[0].address", "multicast"],
  ],
  [
    "a broadcast backend",
    backend("{ address: 255.255.255.255, port: 1 }"),
    ["spec.backends.static[0].address", "broadcast"],
  ],
  [
    "an IPv4-mapped backend",
    backend('{ address: "::ffff:10.0.0.7", port: 1 }'),
    ["spec.backends.static[0].address", "IPv4-mapped"],
  ],
  [
    "a backend with a zone",
    backend('{ address: "fe80::1%eth0", port: 1 }'),
    ["spec.backends.static[0].address", "link-local"],
  ],
  [
    "a backend with its port in the address",
    backend('{ address: "10.0.0.7:4433", port: 1 }'),
    ["spec.backends.static[0].address"],
  ],
  [
    "a negative weight",
    backend("{ address: 10.0.0.7, port: 1, weight: -1 }"),
    ["spec.backends.static[0].weight", "found -1", "0 to 65535"],
  ],
  [
    "a server ID that YAML takes for a number",
    backend("{ address: 10.0.0.7, port: 1, serverId: 0011 }"),
    ["spec.backends.static[0].serverId", "found 0011", "in quotes"],
  ],
  [
    "half a server ID octet",
    backend('{ address: 10.0.0.7, port: 1, serverId: "abc" }'),
    ["spec.backends.static[0].serverId", '"abc"', "an even number"],
  ],
  [
    "one server ID twice",
    backend('{ address: 10.0.0.7, port: 1, serverId: "aB" }, { address: 10.0.0.8, port: 1, serverId: "Ab" }'),
    ["spec.backends.static[1]", "server ID ab is already that of spec.backends.static[0]"],
  ],
  [
    "one backend twice",
    backend("{ address: 10.0.0.7, port: 1 }, { address: 10.0.0.8, port: 1 }, { address: 10.0.0.7, port: 1 }"),
    ["spec.backends.static[2]", "10.0.0.7 port 1 is already that of spec.backends.static[0]", "weight"],
  ],
  [
    "one IPv6 backend in two spellings",
    backend('{ address: "2001:db8::7", port: 1 }, { address: "2001:DB8::0:7", port: 1 }'),
    ["spec.backends.static[1]", "2001:db8::7 port 1"],
  ],
  [
    "S2: a backend that is the listener's address",
    spec("listeners: [{ port: 443, address: 192.0.2.1 }]", "backends: { static: [{ address: 192.0.2.1, port: 443 }] }"),
    ["spec.backends.static[0]", "a loop", "spec.listeners[0]"],
  ],
  ["a backend that is this host", backend("{ address: 10.0.0.1, port: 443 }"), ["spec.backends.static[0]", "a loop"]],
  [
    "a backend on another loopback address",
    backend("{ address: 127.9.9.9, port: 443 }"),
    ["spec.backends.static[0]", "a loop"],
  ],
  [
    "an IPv6 backend that is this host",
    backend('{ address: "2001:db8:0::1", port: 443 }'),
    ["spec.backends.static[0]", "a loop"],
  ],
];

describe("a manifest with a wrong backend", () => testRows(BACKEND_ROWS));
