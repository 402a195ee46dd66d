import { text, u32, u64 } from "../netlink/octets.ts";

/*
 * The structs of linux/ethtool.h, as SIOCETHTOOL takes and fills them.
 */

const ETH_SS_STATS = 1;
const STRING_BYTES = 32;

const COMMANDS = { driver: 0x03, rings: 0x10, strings: 0x1b, stats: 0x1d, setInfo: 0x37, channels: 0x3c } as const;

const words = (...values: readonly number[]): Uint8Array => {
  const octets = Buffer.alloc(4 * values.length);
  for (const [place, value] of values.entries()) octets.writeUInt32LE(value, 4 * place);
  return octets;
};

/** What goes in, and how many octets come out. */
export interface EthtoolCall {
  readonly request: Uint8Array;
  readonly answerBytes: number;
}

export const driverCall: EthtoolCall = { request: words(COMMANDS.driver), answerBytes: 196 };
export const ringsCall: EthtoolCall = { request: words(COMMANDS.rings), answerBytes: 36 };
export const channelsCall: EthtoolCall = { request: words(COMMANDS.channels), answerBytes: 36 };
export const statsCountCall: EthtoolCall = {
  request: words(COMMANDS.setInfo, 0, 1 << ETH_SS_STATS, 0, 0),
  answerBytes: 20,
};

/** As ethtool does: a kernel may write nothing where the number is not the driver's any more. */
export const statNamesCall = (count: number): EthtoolCall => {
  return { request: words(COMMANDS.strings, ETH_SS_STATS, count), answerBytes: 12 + count * STRING_BYTES };
};

export const statValuesCall = (count: number): EthtoolCall => {
  return { request: words(COMMANDS.stats, count), answerBytes: 8 + count * 8 };
};

/** How many statistics the driver has: 0 where the mask says that the set is none of its. */
export const statsCountOf = (answer: Uint8Array): number => (u32(answer, 8) === 0 ? 0 : (u32(answer, 16) ?? 0));

/** undefined: the driver has another number of them by now. */
export function statNamesOf(answer: Uint8Array, count: number): string[] | undefined {
  if (u32(answer, 8) !== count) return undefined;
  const at = (place: number): number => 12 + place * STRING_BYTES;
  return Array.from({ length: count }, (_, place) => text(answer.subarray(at(place), at(place + 1))) ?? "");
}

export function statValuesOf(answer: Uint8Array, count: number): bigint[] | undefined {
  if (u32(answer, 4) !== count) return undefined;
  return Array.from({ length: count }, (_, place) => u64(answer, 8 + 8 * place) ?? 0n);
}

/** struct ethtool_drvinfo: name, version, firmware and bus. */
export function driverOf(answer: Uint8Array): { name: string; version: string; firmware: string; bus: string } {
  const field = (place: number): string => text(answer.subarray(4 + 32 * place, 36 + 32 * place)) ?? "";
  return { name: field(0), version: field(1), firmware: field(2), bus: field(3) };
}

/** struct ethtool_ringparam. */
export function ringsOf(answer: Uint8Array): { rx: number; rxMax: number; tx: number; txMax: number } {
  const word = (place: number): number => u32(answer, 4 * place) ?? 0;
  return { rxMax: word(1), txMax: word(4), rx: word(5), tx: word(8) };
}

interface ChannelCounts {
  readonly rx: number;
  readonly tx: number;
  readonly combined: number;
}

/** struct ethtool_channels. */
export function channelsOf(answer: Uint8Array): { most: ChannelCounts; current: ChannelCounts } {
  const word = (place: number): number => u32(answer, 4 * place) ?? 0;
  return {
    most: { rx: word(1), tx: word(2), combined: word(4) },
    current: { rx: word(5), tx: word(6), combined: word(8) },
  };
}
