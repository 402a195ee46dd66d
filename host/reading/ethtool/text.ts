import type { DriverStat, Link } from "../reading.ts";
import { decimal, linesOf, type Parsed, parseRows, printable, quoted } from "../text/columns.ts";
import type { channelsOf, driverOf, ringsOf } from "./structs.ts";

/*
 * What ethtool prints, written and read: a source that somebody copied from a terminal is as good as one of ours.
 */

export function formatStats(names: readonly string[], values: readonly bigint[]): string {
  return ["NIC statistics:", ...names.map((name, place) => `     ${name}: ${values[place]}`), ""].join("\n");
}

/**
 * `ethtool -S`: a line of head, then `     name: value`, 64 bit, in the driver's order. Names hold blanks and colons (bnxt:
 * `[0]: rx_discards`) and come again for each queue (vmxnet3); blanks at their ends are taken off.
 */
export function parseStats(text: string): Parsed<DriverStat[]> {
  const lines = linesOf(text).filter((line) => line.trim() !== "NIC statistics:");
  return parseRows(lines, (line) => {
    const end = line.lastIndexOf(":");
    const name = line.slice(0, Math.max(end, 0)).trim();
    const value = decimal(line.slice(end + 1).trim());
    return name === "" || value === undefined ? undefined : { name: printable(name), value };
  });
}

export function formatDriver({ name, version, firmware, bus }: ReturnType<typeof driverOf>): string {
  return `driver: ${name}\nversion: ${version}\nfirmware-version: ${firmware}\nbus-info: ${bus}\n`;
}

/** `ethtool -i`. */
export function parseDriver(text: string): Parsed<NonNullable<Link["driver"]>> {
  const field = (name: string): string | undefined => {
    const value = new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(text)?.[1]?.trim();
    return value === undefined || value === "" ? undefined : printable(value);
  };
  const [name, version, bus] = ["driver", "version", "bus-info"].map(field);
  if (name === undefined) return { value: undefined, reason: `no line "driver: NAME": ${quoted(text)}` };
  return { value: { name, ...(version !== undefined && { version }), ...(bus !== undefined && { bus }) } };
}

const MAXIMUMS = "Pre-set maximums:";
const SETTINGS = "Current hardware settings:";

const table = (title: string, most: string[], current: string[]): string =>
  [title, MAXIMUMS, ...most, SETTINGS, ...current, ""].join("\n");

export function formatRings({ rx, rxMax, tx, txMax }: ReturnType<typeof ringsOf>): string {
  return table("Ring parameters:", [`RX:\t\t${rxMax}`, `TX:\t\t${txMax}`], [`RX:\t\t${rx}`, `TX:\t\t${tx}`]);
}

export function formatChannels({ most, current }: ReturnType<typeof channelsOf>): string {
  const lines = ({ rx, tx, combined }: typeof most): string[] => {
    return [`RX:\t\t${rx}`, `TX:\t\t${tx}`, `Combined:\t${combined}`];
  };
  return table("Channel parameters:", lines(most), lines(current));
}

type Fields = (name: string) => number;

/** The two halves of `ethtool -g` and `-l`; what is n/a, or not there, is 0. undefined: no such table. */
function halves(text: string): { most: Fields; current: Fields } | undefined {
  const [, rest] = text.split(MAXIMUMS, 2);
  const [most, current] = rest?.split(SETTINGS, 2) ?? [];
  if (most === undefined || current === undefined) return undefined;
  const fieldsOf = (half: string): Fields => {
    return (name) => Number(new RegExp(`^${name}:[ \\t]*(\\d{1,9})[ \\t]*$`, "m").exec(half)?.[1] ?? 0);
  };
  return { most: fieldsOf(most), current: fieldsOf(current) };
}

/** `ethtool -g`: descriptors. */
export function parseRings(text: string): Parsed<NonNullable<Link["rings"]>> {
  const found = halves(text);
  if (found === undefined) return { value: undefined, reason: `no maximums and settings: ${quoted(text)}` };
  const { most, current } = found;
  return { value: { rx: current("RX"), rxMax: most("RX"), tx: current("TX"), txMax: most("TX") } };
}

/**
 * `ethtool -l`: queues that receive, be it alone (RX) or with one that sends (Combined). At most: the greater of both, as
 * drivers that have both kinds share the same queues between them.
 */
export function parseChannels(text: string): Parsed<NonNullable<Link["channels"]>> {
  const found = halves(text);
  if (found === undefined) return { value: undefined, reason: `no maximums and settings: ${quoted(text)}` };
  const rx = found.current("RX") + found.current("Combined");
  return { value: { rx, rxMax: Math.max(rx, found.most("RX"), found.most("Combined")) } };
}
