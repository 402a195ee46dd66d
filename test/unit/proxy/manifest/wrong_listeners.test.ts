import { describe } from "vitest";
import { listeners, type Row, testRows } from "./manifests.ts";

const LISTENER_ROWS: Row[] = [
  ["no listener", listeners("[]"), ["spec.listeners", "found a list of 0", "1 to 32"]],
  [
    "33 listeners",
    listeners(`[${Array.from({ length: 33 }, (_, i) => `{ port: ${i + 1} }`).join(", ")}]`),
    ["spec.listeners", "found a list of 33", "1 to 32"],
  ],
  ["one listener without list", listeners("{ port: 443 }"), ["spec.listeners", "found a mapping", "a list"]],
  ["port 0", listeners("[{ port: 0 }]"), ["spec.listeners[0].port", "found 0", "1 to 65535"]],
  ["port 65536", listeners("[{ port: 65536 }]"), ["spec.listeners[0].port", "found 65536"]],
  ["half a port", listeners("[{ port: 4.5 }]"), ["spec.listeners[0].port", "found 4.5"]],
  [
    "a port in quotes",
    listeners('[{ port: "443" }]'),
    ["spec.listeners[0].port", 'found the text "443"', "a port number"],
  ],
  ["no port", listeners("[{ address: 10.0.0.1 }]"), ["spec.listeners[0].port", "is missing"]],
  [
    "a host name",
    listeners("[{ port: 443, address: edge.example.com }]"),
    ["spec.listeners[0].address", '"edge.example.com"', "IPv4 or IPv6 address"],
  ],
  [
    "an IPv4 address with leading zeros",
    listeners("[{ port: 443, address: 010.0.0.1 }]"),
    ["spec.listeners[0].address"],
  ],
  [
    "a multicast listener",
    listeners("[{ port: 443, address: 239.1.1.1 }]"),
    ["spec.listeners[0].address", "not multicast"],
  ],
  [
    "a link-local listener",
    listeners('[{ port: 443, address: "fe80::1" }]'),
    ["spec.listeners[0].address", "link-local"],
  ],
  [
    "one port twice",
    listeners("[{ port: 443 }, { port: 443 }]"),
    ["spec.listeners[1]", "port 443 on every address", "spec.listeners[0]"],
  ],
  [
    "one address and port twice",
    listeners('[{ port: 443, address: "2001:db8::1" }, { port: 443, address: "2001:DB8:0:0::1" }]'),
    ["spec.listeners[1]", "overlaps"],
  ],
  [
    "a wildcard over an address",
    listeners("[{ port: 443, address: 10.0.0.1 }, { port: 443, address: 0.0.0.0 }]"),
    ["spec.listeners[1]", "0.0.0.0 overlaps port 443 on 10.0.0.1"],
  ],
  [
    "an address under every address",
    listeners("[{ port: 443 }, { port: 444 }, { port: 443, address: 10.0.0.1 }]"),
    ["spec.listeners[2]", "overlaps"],
  ],
];

describe("a manifest with a wrong listener", () => testRows(LISTENER_ROWS));
