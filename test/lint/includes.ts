import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

/*
 * What C++ files may include, as lint: folder -> why, and the quoted includes that are allowed there. Angle brackets are
 * the standard library unless they name one of SYSTEM.
 */

const root = resolve(import.meta.dirname, "../..");
const SYSTEM = /^(linux|sys|net|netinet|arpa|bpf)\/|^(unistd|pthread|dirent|poll|fcntl|errno|signal|napi|node_api)\.h$/;

interface Rule {
  readonly folder: string;
  readonly quoted: RegExp;
  readonly system: boolean;
  readonly why: string;
}

/** Who builds on whom, the lowest first. Forwarding and returning know nothing of each other, workers know all. */
const ORDER = ["abi", "wire", "io", "bpf", "route", "steer", "network", "snapshot", "context", "receive"];

function ordered(folder: string): Rule {
  const lower = ORDER.slice(0, ORDER.includes(folder) ? ORDER.indexOf(folder) : ORDER.length);
  const quoted = new RegExp(`^(${[...lower, folder].join("|")})/|^[a-z_]+\\.object\\.h$`);
  return { folder: `native/${folder}`, quoted, system: true, why: `it builds on ${lower.join(", ")} alone` };
}

const RULES: readonly Rule[] = [
  {
    folder: "native/abi",
    quoted: /^abi\//,
    system: false,
    why: "both languages and BPF build on it: standard library only",
  },
  {
    folder: "native/wire",
    quoted: /^wire\//,
    system: true,
    why: "what stands on the wire is the same for BPF, sockets and routing",
  },
  {
    folder: "native/route",
    quoted: /^(abi|wire|route)\//,
    system: false,
    why: "fuzzers, sanitizers and simulations link it alone: standard library, abi, wire and route only",
  },
  {
    folder: "native/bpf",
    quoted: /^(bpf\/|\.\.\/wire\/path\.h$|[a-z_]+\.object\.h$)/,
    system: true,
    why: "what runs in the kernel, and how it gets there, knows nothing of workers",
  },
  { folder: "native/probe", quoted: /^$/, system: true, why: "a program of its own, which loads nothing else" },
  {
    folder: "native/host",
    quoted: /^(host\/|io\/file_descriptor\.h$)/,
    system: true,
    why: "it asks the kernel about a host and knows nothing of a packet path",
  },
  {
    folder: "native/drop_reasons",
    quoted: /^(drop_reasons\/|bpf\/|io\/file_descriptor\.h$|[a-z_]+\.object\.h$)/,
    system: true,
    why: "it asks the kernel about a host and knows nothing of a packet path",
  },
  {
    folder: "native/host_binding",
    quoted: /^(host|host_binding|drop_reasons)\//,
    system: true,
    why: "it is the door to native/host and native/drop_reasons alone",
  },
  { folder: "native/io", quoted: /^(wire|io)\//, system: true, why: "sockets know nothing of routing and contracts" },
  ...["steer", "network", "snapshot", "context", "receive", "forward", "return"].map(ordered),
];

const LIBBPF = /^bpf\//;
const NODE_API = /^(napi|node_api)\.h$/;
/** One for each addon, but for classes. */
const NODE_API_FILES = [
  "native/binding/addon.cc",
  "native/host_binding/addon.cc",
  "native/host_binding/drop_reasons_binding.cc",
  "native/host_binding/drop_reasons_binding.h",
];

function includesOf(file: string): { quoted: string[]; system: string[] } {
  const text = readFileSync(resolve(root, file), "utf8");
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name!);
  return { quoted: all(/^#include "([^"]+)"/gm), system: all(/^#include <([^>]+)>/gm) };
}

function faultsOf(file: string): string[] {
  const { quoted, system } = includesOf(file);
  const faults: string[] = [];
  for (const rule of RULES.filter(({ folder }) => file.startsWith(`${folder}/`))) {
    const wrong = [...quoted.filter((name) => !rule.quoted.test(name))];
    if (!rule.system) wrong.push(...system.filter((name) => SYSTEM.test(name)));
    for (const name of wrong) faults.push(`${file} includes ${name}: ${rule.folder}: ${rule.why}`);
  }
  if (!NODE_API_FILES.includes(file) && system.some((name) => NODE_API.test(name))) {
    faults.push(`${file} includes Node-API: only ${NODE_API_FILES.join(" and ")} do`);
  }
  if (!file.startsWith("native/bpf/") && system.some((name) => LIBBPF.test(name))) {
    faults.push(`${file} includes libbpf: only native/bpf does`);
  }
  return faults;
}

const files = globSync("native/**/*.{cc,h}", { cwd: root });
const faults = files.flatMap(faultsOf);
for (const fault of faults) console.error(fault);
if (files.length === 0) console.error("no C++ file found");
process.exitCode = faults.length > 0 || files.length === 0 ? 1 : 0;
