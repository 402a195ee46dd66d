import { expect, it } from "vitest";
import { formatAddress, parseHostPort } from "../../../process/host_port.ts";

it.each([
  ["127.0.0.1:9464", { address: "127.0.0.1", port: 9464 }],
  ["[::1]:0", { address: "::1", port: 0 }],
  ["[::ffff:10.0.0.1]:65535", { address: "::ffff:10.0.0.1", port: 65_535 }],
  [":9464", { address: undefined, port: 9464 }],
  ["9464", undefined],
  ["127.0.0.1", undefined],
  ["127.0.0.1:", undefined],
  ["127.0.0.1:65536", undefined],
  ["127.0.0.1:+80", undefined],
  [" 127.0.0.1:80", undefined],
  ["127.0.0.1:80\n", undefined],
  ["::1:9464", undefined],
  ["[127.0.0.1]:80", undefined],
  ["[]:80", undefined],
  ["localhost:9464", undefined],
  ["300.1.1.1:80", undefined],
  [".:80", undefined],
  ["[::g]:80", undefined],
  ["[fe80::1%eth0]:80", undefined],
])("parseHostPort(%j)", (text, place) => {
  expect(parseHostPort(text)).toEqual(place);
});

it.each(["127.0.0.1:9464", "[::1]:9464", ":9464"])("what was read is written as %s again", (text) => {
  const { address, port } = parseHostPort(text)!;
  expect(formatAddress(address, port)).toBe(text);
});
