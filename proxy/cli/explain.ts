import { readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { loadAddon } from "../apply/addon.ts";
import { isNativeError, NATIVE_ERRORS } from "../apply/errors.ts";
import { createPlanner } from "../apply/planner.ts";
import { DEFAULT_STATE_DIR, peekHashKey } from "../contract/hash_key.ts";
import { DEFAULT_KEY_DIR } from "../contract/quic_lb_keys.ts";
import { type Answer, answer, type Question, type Setting } from "../explain/answer.ts";
import { MAX_CAPTURE_BYTES, readCapture } from "../explain/capture.ts";
import { parsePlace } from "../explain/four_tuple.ts";
import { parseHex } from "../explain/hex.ts";
import { InputError } from "../explain/input_error.ts";
import { formatAnswer } from "../explain/text.ts";
import { type Arrivals, towardListener } from "../explain/toward_listener.ts";
import { formatFault } from "../manifest/fault.ts";
import { readManifestText } from "../manifest/read.ts";
import { planOfCopy } from "./explain_copy.ts";
import type { Output } from "./validate.ts";

const EXIT_WRONG_INPUT = 2;
const SHORT_HEADER = 0x40;
const CID_OCTETS_MAX = 20;
const LIMIT_DEFAULT = 100;

interface Flags {
  file?: string;
  lastGood?: string;
  packet?: string;
  cid?: string;
  pcap?: string;
  from?: string;
  to?: string;
  limit: number;
  stateDir: string;
  keyDir: string;
  json?: true;
}

const TERMINAL: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new InvalidArgumentError("Allowed: a whole number from 1 on.");
  return limit;
}

/** `quicproxy explain -f FILE`, or `--last-good DIR` in a pod: where would this datagram go, and why? Exit code 0: answered, 2: wrong input. */
export function registerExplain(program: Command, output: Output = TERMINAL): void {
  program
    .command("explain")
    .description("tell which backend a datagram goes to and why, by the code that routes datagrams; nothing is sent")
    .option("-f, --file <file>", "manifest to hold it against; - reads standard input")
    .addOption(
      new Option(
        "--last-good <dir>",
        "hold it against what the proxy of this pod has in force: /var/lib/quicproxy",
      ).conflicts(["file"]),
    )
    .addOption(new Option("--packet <hex>", "UDP payload of a client in hexadecimal").conflicts(["cid", "pcap"]))
    .addOption(new Option("--cid <hex>", "destination Connection ID in hexadecimal").conflicts(["pcap"]))
    .option("--pcap <file>", "capture, pcap or pcapng: every datagram in it to a listener of the manifest")
    .option("--from <addr:port>", "the client, for --packet and --cid")
    .option("--to <addr:port>", "the address that the client sends to")
    .option("--limit <n>", "datagrams of a capture to explain", parseLimit, LIMIT_DEFAULT)
    .option("--state-dir <dir>", "where the running proxy keeps its hash key", DEFAULT_STATE_DIR)
    .option("--key-dir <dir>", "where Secrets with QUIC-LB keys are mounted", DEFAULT_KEY_DIR)
    .option("--json", "print one JSON document for programs")
    .action(async (flags: Flags) => {
      try {
        await explain(flags, output);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        output.err(`${error.message}\n`);
        process.exitCode = EXIT_WRONG_INPUT;
      }
    });
}

async function explain(flags: Flags, output: Output): Promise<void> {
  const setting = await settingOf(flags);
  for (const warning of setting.plan.warnings) output.err(`warning: ${warning}\n`);
  if (flags.pcap !== undefined) return explainCapture(flags, setting, output);
  const result = ask(questionOf(flags), setting);
  output.out(flags.json ? `${JSON.stringify(result)}\n` : `${formatAnswer(result)}\n`);
}

async function settingOf({ file, lastGood, stateDir, keyDir }: Flags): Promise<Setting> {
  if (lastGood !== undefined) {
    const plan = await planOfCopy(lastGood, { keyDir, cpus: availableParallelism() });
    return { plan, keyKnown: true, explain: loadAddon().explain };
  }
  if (file === undefined) throw new InputError("nothing to hold it against; allowed: one of --file and --last-good");
  const read = await readManifestText(file);
  if (!read.ok) throw new InputError(read.faults.map(formatFault).join("\n"));
  let keyKnown = true;
  const planManifest = createPlanner({
    file,
    stateDir,
    keyDir,
    cpus: availableParallelism(),
    findHashKey: async (owner) => {
      const key = await peekHashKey(owner);
      keyKnown = key.random !== true;
      return key;
    },
  });
  const result = await planManifest(read.text);
  if ("faults" in result) throw new InputError(result.faults.join("\n"));
  return { plan: result.plan, keyKnown, explain: loadAddon().explain };
}

function questionOf({ packet, cid, from, to }: Flags): Question {
  if ((from === undefined) !== (to === undefined)) throw new InputError("--from and --to: name both, or neither");
  const tuple =
    from === undefined || to === undefined
      ? undefined
      : { from: parsePlace(from, "--from"), to: parsePlace(to, "--to") };
  if (packet !== undefined) return { datagram: parseHex(packet, "--packet"), tuple };
  if (cid === undefined) throw new InputError("nothing to explain; allowed: one of --packet, --cid and --pcap");
  const octets = parseHex(cid, "--cid");
  if (octets.length === 0 || octets.length > CID_OCTETS_MAX) {
    throw new InputError(`--cid: ${octets.length} octets; allowed: 1 to ${CID_OCTETS_MAX}`);
  }
  return { datagram: Uint8Array.from([SHORT_HEADER, ...octets]), tuple };
}

function ask(question: Question, setting: Setting): Answer {
  try {
    return answer(question, setting);
  } catch (error) {
    if (!isNativeError(error)) throw error;
    throw new Error(`${error.message}; ${NATIVE_ERRORS[error.code].remedy(0)}`, { cause: error });
  }
}

async function explainCapture({ pcap, from, to, limit, json }: Flags, setting: Setting, output: Output): Promise<void> {
  if (from !== undefined || to !== undefined) throw new InputError("--from and --to: a capture has its own addresses");
  const { arrived, skipped } = arrivalsIn(pcap!, await readCaptureFile(pcap!), setting, limit);
  const answers = arrived.map(({ number, cut, from, to, payload }) => {
    return { packet: number, cut, ...ask({ datagram: payload, tuple: { from, to } }, setting) };
  });
  if (json) output.out(`${JSON.stringify({ packets: answers, skipped })}\n`);
  else {
    for (const one of answers) output.out(`packet ${one.packet}${one.cut ? " (cut)" : ""}: ${formatAnswer(one)}\n\n`);
    output.out(
      `${[`${answers.length} explained`, ...Object.entries(skipped).map(([why, n]) => `${n} ${why}`)].join(", ")}\n`,
    );
  }
}

function arrivalsIn(file: string, octets: Uint8Array, { plan }: Setting, limit: number): Arrivals {
  try {
    return towardListener(readCapture(octets), plan, limit);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${file}: ${error.message}`) : error;
  }
}

async function readCaptureFile(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MAX_CAPTURE_BYTES) {
      throw new InputError(
        `${file}: ${size} octets; allowed: ${MAX_CAPTURE_BYTES}; cut it with: tcpdump -r ${file} -c 10000 -w FILE`,
      );
    }
    return await readFile(file);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
