import { expect, it } from "vitest";
import {
  familyOf,
  familyRequest,
  linksRequest,
  neighboursRequest,
  qdiscsRequest,
  queueStatsRequest,
  udpSocketsRequest,
} from "../../../../../host/reading/netlink/requests.ts";
import { attribute, error, message } from "./octets.ts";

const head = (octets: Uint8Array): number[] => {
  const buffer = Buffer.from(octets);
  return [buffer.readUInt32LE(0), buffer.readUInt16LE(4), buffer.readUInt16LE(6)];
};

it.each([
  ["links", linksRequest(), 32, 18],
  ["qdiscs", qdiscsRequest(), 36, 38],
  ["neighbours", neighboursRequest(), 28, 30],
  ["sockets", udpSocketsRequest(4), 72, 20],
  ["queue statistics", queueStatsRequest(30), 20, 30],
])("%s: a dump, of the length that the kernel's struct has", (_, request, bytes, type) => {
  expect(request.length).toBe(bytes);
  expect(head(request)).toEqual([bytes, type, 0x301]);
});

it("asks for UDP sockets of one port in network order, with their memory, in any state", () => {
  expect(Buffer.from(udpSocketsRequest(6, 0x1151)).subarray(16, 28).toString("hex")).toBe("0a114000ffffffff11510000");
});

it("asks for a family by name and finds its number", () => {
  expect(head(familyRequest("netdev"))).toEqual([32, 16, 1]);
  const answer = message(16, 0, Buffer.from([1, 2, 0, 0]), attribute(1, Buffer.from([30, 0])));
  expect(familyOf(answer)).toBe(30);
  expect(familyOf(error(-2))).toBeUndefined();
  expect(familyOf(Buffer.alloc(0))).toBeUndefined();
});
