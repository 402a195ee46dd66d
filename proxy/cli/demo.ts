import { type Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import { keptInstructions, runDemo } from "../lab/demo.ts";
import { keptLabName, namespacesOf, removeLab, removeStaleLabs } from "../lab/namespace.ts";
import { labObstacle } from "../lab/required.ts";
import type { ScenarioProgress } from "../lab/scenario.ts";

const FAULTS_SHOWN = 10;

interface DemoOptions {
  downloads: number;
  roaming: number;
  concurrency: number;
  keep: boolean;
  clean: boolean;
}

const EXIT_RUNTIME_FAILURE = 1;
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** How often progress is printed where no terminal shows it live. */
const PROGRESS_LINE_MS = 2_000;

function parseCount(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text)) throw new InvalidArgumentError("Allowed: a number from 0 to 99999.");
  return Number(text);
}

function parseConcurrency(text: string): number {
  const value = parseCount(text);
  if (value < 1 || value > 256) throw new InvalidArgumentError("Allowed: a number from 1 to 256.");
  return value;
}

/** One line that is redrawn on a terminal, a line every 2 s elsewhere. */
function progressPrinter(): { show: (progress: ScenarioProgress) => void; end: () => void } {
  const isTerminal = process.stdout.isTTY === true;
  let started: number | undefined;
  let printedAt = 0;
  const show = ({ done, failed, of }: ScenarioProgress): void => {
    const now = performance.now();
    started ??= now;
    if (!isTerminal && done < of && now - printedAt < PROGRESS_LINE_MS) return;
    printedAt = now;
    const text = `downloads: ${done} of ${of}, ${failed} failed, ${((now - started) / 1000).toFixed(1)} s`;
    process.stdout.write(isTerminal ? `\r\x1b[K${text}` : `${text}\n`);
  };
  return { show, end: () => process.stdout.write(isTerminal ? "\n" : "") };
}

function clean(): void {
  const kept = namespacesOf(keptLabName).length > 0;
  if (kept) removeLab(keptLabName);
  const stale = removeStaleLabs();
  const removed = [...(kept ? [keptLabName] : []), ...stale];
  console.log(removed.length > 0 ? `removed ${removed.join(", ")}` : "nothing to remove");
}

async function play(options: DemoOptions, signal: AbortSignal): Promise<string[]> {
  const progress = progressPrinter();
  let inDownloads = false;
  const say = (text: string): void => {
    if (inDownloads) progress.end();
    inDownloads = false;
    console.log(text);
  };
  const onProgress = (now: ScenarioProgress): void => {
    inDownloads = true;
    progress.show(now);
  };
  return await runDemo({ ...options, signal, say, onProgress });
}

function report(options: DemoOptions, faults: readonly string[], seconds: string): void {
  for (const fault of faults.slice(0, FAULTS_SHOWN)) console.error(pc.red(`FAULT ${fault}`));
  if (faults.length > FAULTS_SHOWN) console.error(pc.red(`and ${faults.length - FAULTS_SHOWN} more`));
  const all = options.downloads + options.roaming;
  const claim = `${all} downloads with checked content, ${options.roaming} of them from a client that changed its address`;
  console.log(faults.length === 0 ? pc.green(`ok: ${claim}; ${seconds} s`) : `${faults.length} faults; ${seconds} s`);
  if (options.keep) console.log(keptInstructions());
}

async function demo(options: DemoOptions): Promise<void> {
  const obstacle = labObstacle();
  if (obstacle !== undefined) {
    console.error(obstacle);
    process.exitCode = EXIT_RUNTIME_FAILURE;
    return;
  }
  if (options.clean) return clean();

  const abort = new AbortController();
  for (const [name, code] of Object.entries(SIGNAL_EXIT_CODES)) {
    process.once(name, () => {
      process.exitCode = code;
      abort.abort(new Error(`ended by ${name}; everything is removed again`));
    });
  }
  const started = performance.now();
  try {
    const faults = await play(options, abort.signal);
    report(options, faults, ((performance.now() - started) / 1000).toFixed(1));
    if (faults.length > 0) process.exitCode = EXIT_RUNTIME_FAILURE;
  } catch (error) {
    console.error(`${process.stdout.isTTY ? "\n" : ""}${(error as Error).message}`);
    process.exitCode ??= EXIT_RUNTIME_FAILURE;
  }
  // Kept programs would hold the event loop.
  process.exit();
}

export function registerDemo(program: Command): void {
  program
    .command("demo")
    .description("run real QUIC downloads through the proxy in network namespaces of their own; needs root")
    .option("--downloads <n>", "plain downloads", parseCount, 100)
    .option("--roaming <n>", "downloads during which the client's address changes", parseCount, 12)
    .option("--concurrency <n>", "downloads at a time", parseConcurrency, 8)
    .option("--keep", "leave servers and proxy running at the end", false)
    .option("--clean", "end a lab that was kept and remove what dead runs left", false)
    .action(demo);
}
