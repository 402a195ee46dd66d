import { readFile, stat, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { durationMs } from "../../crds/quantities.ts";
import { formatBundle, INTERFACE_NAME, MAX_BUNDLE_BYTES, MAX_PORT, parseBundle } from "../../host/doctor/bundle.ts";
import { BundleError } from "../../host/doctor/bundle_error.ts";
import { formatJson } from "../../host/doctor/json.ts";
import { judge } from "../../host/doctor/judge.ts";
import { type Outside, takeBundle } from "../../host/doctor/take.ts";
import { formatReport } from "../../host/doctor/text.ts";
import { beginWitness } from "../../host/reading/live/begin_witness.ts";
import type { Bundle } from "../../host/reading/raw.ts";
import { readHost } from "../../host/reading/read.ts";
import type { HostPort } from "../../process/host_port.ts";
import { proxyWithin } from "./doctor_proxy.ts";
import { parseAddress } from "./top_client.ts";
import type { Output } from "./validate.ts";

const EXIT_COULD_NOT_TELL = 2;
const WINDOW_MIN_MS = 1000;
const WINDOW_MAX_MS = 600_000;

interface Flags {
  port?: number;
  interface?: string;
  netns?: string;
  /** Milliseconds. */
  for: number;
  json?: true;
  save?: string;
  read?: string;
  proxy?: HostPort;
}

/** What the command does to the outside; the host by default. */
export interface DoctorEdge extends Outside {
  readonly output: Output;
}

const HOST: DoctorEdge = {
  output: {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  },
  read: readHost,
  wait: async (ms) => void (await sleep(ms)),
  witness: beginWitness,
};

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^[0-9]{1,5}$/.test(text) || port < 1 || port > MAX_PORT) {
    throw new InvalidArgumentError(`Allowed: a UDP port, 1 to ${MAX_PORT}.`);
  }
  return port;
}

function parseInterface(text: string): string {
  if (!INTERFACE_NAME.test(text)) {
    throw new InvalidArgumentError("Allowed: the name of a network interface, such as eth0.");
  }
  return text;
}

function parseWindow(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined || ms < WINDOW_MIN_MS || ms > WINDOW_MAX_MS) {
    throw new InvalidArgumentError("Allowed: a duration from 1s to 10m, such as 10s.");
  }
  return ms;
}

/** `quicproxy doctor`: which hand-off of this host loses datagrams first, and why? Exit code 0: none, 1: one, 2: cannot tell. */
export function registerDoctor(program: Command, edge: DoctorEdge = HOST): void {
  program
    .command("doctor")
    .description("tell where this host loses UDP datagrams, why, and what to do; reads counters, changes nothing")
    .option("--port <port>", "ask about the sockets of this UDP port; default: all", parsePort)
    .option("--interface <name>", "ask about datagrams that arrive on this interface; default: all", parseInterface)
    .option("--netns <namespace>", "look into this network namespace: name, path or process ID")
    .addOption(
      new Option("--for <duration>", "time between the two readings")
        .argParser(parseWindow)
        .default(parseWindow("10s"), "10s"),
    )
    .addOption(
      new Option("--proxy <addr:port>", "ask the proxy whose metrics are there, too: hand-offs 6, 7 and 9")
        .argParser(parseAddress)
        .conflicts(["read"]),
    )
    .option("--json", "print one JSON document for programs")
    .addOption(new Option("--save <file>", "keep the readings as a bundle, to be judged elsewhere").conflicts(["read"]))
    .addOption(
      new Option("--read <file>", "judge a bundle instead of this host").conflicts(["netns", "port", "interface"]),
    )
    .action(async (flags: Flags) => {
      try {
        await doctor(flags, edge);
      } catch (error) {
        // Whatever failed: exit code 1 would say that a loss was found.
        edge.output.err(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exitCode = EXIT_COULD_NOT_TELL;
      }
    });
}

async function doctor(flags: Flags, edge: DoctorEdge): Promise<void> {
  const bundle = flags.read === undefined ? await takeHere(flags, edge) : await readBundleFile(flags.read);
  const report = judge(bundle);
  edge.output.out(flags.json ? formatJson(report) : formatReport(report));
  process.exitCode = report.exitCode;
  if (flags.save !== undefined) await saveBundle(flags.save, bundle);
}

async function takeHere(
  { port, interface: name, netns, for: windowMs, proxy }: Flags,
  edge: DoctorEdge,
): Promise<Bundle> {
  const subject = { ...(port !== undefined && { port }), ...(name !== undefined && { interface: name }) };
  const outside = {
    ...edge,
    ...(proxy && { proxy: () => proxyWithin(proxy, (text) => edge.output.err(`${text}\n`)) }),
  };
  return await takeBundle({ subject, windowMs, ...(netns !== undefined && { namespace: netns }) }, outside);
}

async function readBundleFile(file: string): Promise<Bundle> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_BUNDLE_BYTES) throw new BundleError(`${file}: ${size} octets; allowed: ${MAX_BUNDLE_BYTES}`);
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof BundleError) throw error;
    throw new BundleError(`${file} cannot be read: ${(error as Error).message}`);
  }
  return parseBundle(text, file);
}

/** Addresses and names of processes stand in it: for its owner's eyes. */
async function saveBundle(file: string, bundle: Bundle): Promise<void> {
  try {
    await writeFile(file, formatBundle(bundle), { mode: 0o600 });
  } catch (error) {
    throw new BundleError(`${file} cannot be written: ${(error as Error).message}`);
  }
}
