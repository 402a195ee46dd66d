import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import type { ProxyMeasure } from "../../../../host/reading/proxy_measure.ts";
import {
  BUNDLE_FORMAT,
  type Bundle,
  type RawReading,
  type RawSource,
  type Subject,
} from "../../../../host/reading/raw.ts";
import {
  links,
  neighbours,
  qdiscs,
  type TestLink,
  type TestNeighbour,
  type TestQdisc,
  type TestSocket,
  udpSockets,
} from "./octets.ts";

/* test/fixtures/doctor: readings that people posted, or that a fault caused, and what the doctor has to say to them. */

const DIRECTORY = resolve(import.meta.dirname, "../../../fixtures/doctor");

/** Sources as text by their names; and tables of netlink by the columns that matter. */
export interface CaseReading {
  readonly text?: Readonly<Record<string, string>>;
  readonly udp4?: readonly TestSocket[];
  readonly udp6?: readonly TestSocket[];
  readonly links?: readonly TestLink[];
  readonly qdiscs?: readonly TestQdisc[];
  readonly neighbours?: readonly TestNeighbour[];
  /** Sources that the kernel did not tell. */
  readonly without?: readonly string[];
}

export interface DoctorCase {
  readonly file: string;
  /** Whose trouble this was, or which fault; which numbers are theirs and which were filled in. */
  readonly note: string;
  /** The public threads: project and number. */
  readonly sources?: readonly string[];
  readonly subject?: Subject;
  readonly seconds: number;
  /** Absent: the report has totals only. */
  readonly before?: CaseReading;
  readonly between?: readonly CaseReading[];
  readonly after: CaseReading;
  /** In both readings, unless they say otherwise. */
  readonly both?: CaseReading;
  readonly proxy?: ProxyMeasure;
  readonly expected: {
    readonly exit: 0 | 1 | 2;
    readonly verdict: string;
    readonly handOff?: string;
    /** All findings in the order of the report; default: only the verdict. */
    readonly findings?: readonly string[];
    /** What the text of the report has to say. */
    readonly says?: readonly string[];
  };
}

const read = (file: string): unknown => parse(readFileSync(join(DIRECTORY, file), "utf8"));

/** A host on which nothing is lost: what a case does not speak of is taken from here. */
export const quietHost = (): { before: CaseReading; after: CaseReading } =>
  read("quiet_host.yaml") as { before: CaseReading; after: CaseReading };

export const doctorCases = (): DoctorCase[] =>
  readdirSync(DIRECTORY)
    .filter((file) => file.endsWith(".yaml") && file !== "quiet_host.yaml")
    .sort()
    .map((file) => ({ ...(read(file) as Omit<DoctorCase, "file">), file }));

/** The bundle that `quicproxy doctor --save` would have written there. */
export function bundleOf(one: Omit<DoctorCase, "file" | "expected">): Bundle {
  const quiet = quietHost();
  const reading = (own: CaseReading, base: CaseReading, second: number): RawReading => ({
    steadyMs: 1_000_000 + second * 1000,
    time: new Date(Date.UTC(2026, 0, 31, 12) + second * 1000).toISOString(),
    sources: sourcesOf([base, one.both ?? {}, own]),
  });
  const samples = one.between ?? [];
  return {
    format: BUNDLE_FORMAT,
    subject: one.subject ?? {},
    ...(one.before && { before: reading(one.before, quiet.before, 0) }),
    between: samples.map((own, place) => ({
      ...reading(own, {}, ((place + 1) * one.seconds) / (samples.length + 1)),
      sources: sourcesOf([own]),
    })),
    after: reading(one.after, quiet.after, one.seconds),
    ...(one.proxy && { proxy: one.proxy }),
    note: one.note.slice(0, 4096),
  };
}

function sourcesOf(readings: readonly CaseReading[]): Record<string, RawSource> {
  const sources: Record<string, RawSource> = {};
  for (const reading of readings) {
    for (const [name, text] of Object.entries(reading.text ?? {})) {
      const old = sources[name];
      const isPaired = name === "proc/net/snmp" || name === "proc/net/netstat";
      sources[name] = { text: isPaired && old && "text" in old ? mergePaired(old.text, text) : text };
    }
    Object.assign(sources, tablesOf(reading));
    for (const name of reading.without ?? []) sources[name] = { error: "it is not there" };
  }
  return sources;
}

function tablesOf(reading: CaseReading): Record<string, RawSource> {
  return {
    ...(reading.udp4 && { "inet_diag/udp4": { base64: udpSockets(4, reading.udp4) } }),
    ...(reading.udp6 && { "inet_diag/udp6": { base64: udpSockets(6, reading.udp6) } }),
    ...(reading.links && { "rtnl/link": { base64: links(reading.links) } }),
    ...(reading.qdiscs && { "rtnl/qdisc": { base64: qdiscs(reading.qdiscs) } }),
    ...(reading.neighbours && { "rtnl/neighbour": { base64: neighbours(reading.neighbours) } }),
  };
}

const groupOf = (line: string): string => line.split(":")[0]!;

/** Groups that a case does not speak of stay as the quiet host has them. */
function mergePaired(base: string, own: string): string {
  const groups = new Set(own.split("\n").map(groupOf));
  const kept = base.split("\n").filter((line) => line !== "" && !groups.has(groupOf(line)));
  return `${kept.join("\n")}\n${own}`;
}
