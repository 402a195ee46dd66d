import { textOfIpv4, textOfIpv6 } from "../address.ts";
import type { UdpSocket } from "../reading.ts";
import { exactNumber, hexadecimal32, linesOf, type Parsed, parseRows, wordsOf } from "./columns.ts";

interface End {
  readonly address: string;
  readonly port: number;
}

/** Words of 32 bit in the order of the machine, which is taken for little-endian. */
function addressOf(hex: string): string {
  const octets = Buffer.from(hex, "hex");
  for (let place = 0; place < octets.length; place += 4) octets.subarray(place, place + 4).reverse();
  return octets.length === 4 ? textOfIpv4(octets) : textOfIpv6(octets);
}

function parseEnd(word: string | undefined, family: 4 | 6): End | undefined {
  const [, hex, port] = /^([0-9a-f]+):([0-9a-f]{4})$/i.exec(word ?? "") ?? [];
  if (hex?.length !== (family === 4 ? 8 : 32)) return undefined;
  return { address: addressOf(hex), port: Number.parseInt(port!, 16) };
}

/** Older kernels print the 32-bit counter as a signed number. */
function parseDrops(word: string | undefined): number | undefined {
  const value = exactNumber(word?.replace(/^-/, ""));
  if (value === undefined || value > 0xffff_ffff) return undefined;
  return word!.startsWith("-") ? (0x1_0000_0000 - value) % 0x1_0000_0000 : value;
}

function parseRow(line: string, family: 4 | 6): UdpSocket | undefined {
  const [, localWord, remoteWord, , queues, , , uidWord, , inodeWord, , , dropsWord] = wordsOf(line);
  const local = parseEnd(localWord, family);
  const remote = parseEnd(remoteWord, family);
  const [sendQueueBytes, receiveQueueBytes] = (queues ?? "").split(":").map(hexadecimal32);
  const [uid, inode, drops] = [exactNumber(uidWord), exactNumber(inodeWord), parseDrops(dropsWord)];
  const numbers = [sendQueueBytes, receiveQueueBytes, uid, inode, drops];
  if (local === undefined || remote === undefined || numbers.includes(undefined)) return undefined;
  return {
    family,
    localAddress: local.address,
    localPort: local.port,
    ...(remote.port !== 0 && { remote }),
    inode: inode!,
    uid: uid!,
    receiveQueueBytes: receiveQueueBytes!,
    sendQueueBytes: sendQueueBytes!,
    drops: drops!,
  };
}

/**
 * /proc/net/udp (net/ipv4/udp.c, udp4_format_sock) and /proc/net/udp6 (net/ipv6/datagram.c, __ip6_dgram_sock_seq_show): a line
 * of head, then one for each socket: `sl local remote st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ref pointer
 * drops`. Queues are %08X octets of truesize; drops is the last column since 2.6.27, 32 bit, signed in older kernels.
 */
export function parseUdpTable(text: string, family: 4 | 6): Parsed<UdpSocket[]> {
  return parseRows(
    linesOf(text).filter((line) => !/^\s*sl\s/.test(line)),
    (line) => parseRow(line, family),
  );
}
