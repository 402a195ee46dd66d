import { textOfIpv4, textOfIpv6 } from "../address.ts";
import type { UdpSocket } from "../reading.ts";
import type { Parsed } from "../text/columns.ts";
import { decodeAttributes } from "./attributes.ts";
import { port, u8, u32, u64 } from "./octets.ts";
import { decodeTable } from "./table.ts";

const SOCK_DIAG_BY_FAMILY = 20;
const AF_INET = 2;
const AF_INET6 = 10;
/** struct inet_diag_msg. */
const MESSAGE_BYTES = 72;
const LOCAL_AT = 8;
const REMOTE_AT = 24;
const INET_DIAG_SKMEMINFO = 7;
/** SK_MEMINFO_* of linux/sock_diag.h, 32 bit each; old kernels do not have the last one. */
const SKMEMINFO = { receiveBuffer: 1, sendBuffer: 3, drops: 8 } as const;

/** As the kernel tells it: old ones without drops. */
export type DiagSocket = Omit<UdpSocket, "drops"> & { readonly drops?: number };

const addressAt = (payload: Uint8Array, at: number, family: number): string =>
  family === AF_INET ? textOfIpv4(payload.subarray(at)) : textOfIpv6(payload.subarray(at, at + 16));

function decodeSocket(payload: Uint8Array): DiagSocket | undefined {
  const family = u8(payload);
  if (payload.length < MESSAGE_BYTES || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const remotePort = port(payload, 6)!;
  const memory = decodeAttributes(payload.subarray(MESSAGE_BYTES)).get(INET_DIAG_SKMEMINFO);
  const memoryOf = (name: keyof typeof SKMEMINFO): number | undefined => u32(memory, 4 * SKMEMINFO[name]);
  const [receiveBufferBytes, sendBufferBytes] = [memoryOf("receiveBuffer"), memoryOf("sendBuffer")];
  const drops = memoryOf("drops");
  return {
    family: family === AF_INET ? 4 : 6,
    localAddress: addressAt(payload, LOCAL_AT, family),
    localPort: port(payload, 4)!,
    ...(remotePort !== 0 && { remote: { address: addressAt(payload, REMOTE_AT, family), port: remotePort } }),
    inode: u32(payload, 68)!,
    cookie: u64(payload, 44)!,
    uid: u32(payload, 64)!,
    receiveQueueBytes: u32(payload, 56)!,
    sendQueueBytes: u32(payload, 60)!,
    ...(drops !== undefined && { drops }),
    ...(receiveBufferBytes !== undefined && { receiveBufferBytes }),
    ...(sendBufferBytes !== undefined && { sendBufferBytes }),
  };
}

/**
 * SOCK_DIAG_BY_FAMILY dump of UDP (net/ipv4/udp_diag.c, inet_diag.c; since 3.3 with CONFIG_INET_UDP_DIAG). The queue is
 * idiag_rqueue and not SK_MEMINFO_RMEM_ALLOC: the latter still holds what the kernel gives back late (up to a quarter of the
 * buffer), so that an empty socket would look as if something waited.
 */
export const decodeUdpSockets = (octets: Uint8Array): Parsed<DiagSocket[]> =>
  decodeTable(octets, SOCK_DIAG_BY_FAMILY, decodeSocket);
