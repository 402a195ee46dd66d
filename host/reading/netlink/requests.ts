import { decodeAttributes } from "./attributes.ts";
import { decodeMessages } from "./messages.ts";
import { u16 } from "./octets.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_GENERIC = 16;

const HEADER_BYTES = 16;
const REQUEST = 0x1;
const DUMP = 0x300;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_UDP = 17;
const ALL_STATES = 0xffff_ffff;
const INET_DIAG_SKMEMINFO = 7;
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const NETDEV_CMD_QSTATS_GET = 12;

/** struct nlmsghdr and a payload. */
function request(type: number, flags: number, payload: Uint8Array): Uint8Array {
  const message = Buffer.alloc(HEADER_BYTES + payload.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(REQUEST | flags, 6);
  message.writeUInt32LE(1, 8);
  message.set(payload, HEADER_BYTES);
  return message;
}

/** struct ifinfomsg, tcmsg or ndmsg, of which all is 0: everything, of every family. */
const dumpOf = (type: number, bytes: number): Uint8Array => request(type, DUMP, new Uint8Array(bytes));

export const linksRequest = (): Uint8Array => dumpOf(18, 16);
export const qdiscsRequest = (): Uint8Array => dumpOf(38, 20);
export const neighboursRequest = (): Uint8Array => dumpOf(30, 12);

/** struct inet_diag_req_v2. `localPort`: the kernel leaves out sockets of other ports; 0: all. */
export function udpSocketsRequest(family: 4 | 6, localPort = 0): Uint8Array {
  const payload = Buffer.alloc(56);
  payload.writeUInt8(family === 4 ? AF_INET : AF_INET6, 0);
  payload.writeUInt8(IPPROTO_UDP, 1);
  payload.writeUInt8(1 << (INET_DIAG_SKMEMINFO - 1), 2);
  payload.writeUInt32LE(ALL_STATES, 4);
  payload.writeUInt16BE(localPort, 8);
  payload.fill(0xff, 48, 56); // INET_DIAG_NOCOOKIE
  return request(20, DUMP, payload);
}

/** Asks generic netlink which number a family has. */
export function familyRequest(name: string): Uint8Array {
  const value = Buffer.from(`${name}\0`);
  const payload = Buffer.alloc(8 + ((value.length + 3) & ~3));
  payload.writeUInt8(CTRL_CMD_GETFAMILY, 0);
  payload.writeUInt8(1, 1);
  payload.writeUInt16LE(4 + value.length, 4);
  payload.writeUInt16LE(CTRL_ATTR_FAMILY_NAME, 6);
  payload.set(value, 8);
  return request(GENL_ID_CTRL, 0, payload);
}

/** The number of the answer to familyRequest; undefined: this kernel has no such family. */
export function familyOf(answer: Uint8Array): number | undefined {
  const payload = decodeMessages(answer).messages[0]?.payload;
  return u16(decodeAttributes(payload?.subarray(4)).get(CTRL_ATTR_FAMILY_ID));
}

/** Without a scope: one answer per interface, summed over its queues. */
export function queueStatsRequest(family: number): Uint8Array {
  return request(family, DUMP, Buffer.from([NETDEV_CMD_QSTATS_GET, 1, 0, 0]));
}
