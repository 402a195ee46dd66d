import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import pc from "picocolors";
import { durationMs } from "../../crds/quantities.ts";
import type { HostPort } from "../../process/host_port.ts";
import { counterRates } from "../counters/rates.ts";
import type { CountersReport } from "../metrics/report.ts";
import { fetchReport, parseAddress, UnreachableError } from "./top_client.ts";
import { openScreen, type Screen } from "./top_screen.ts";
import { renderTop } from "./top_view.ts";

interface TopOptions {
  address: HostPort;
  /** Milliseconds. */
  interval: number;
  once: boolean;
  json: boolean;
}

const INTERVAL_MIN_MS = 100;
const EXIT_RUNTIME_FAILURE = 1;

function parseInterval(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined || ms < INTERVAL_MIN_MS) {
    throw new InvalidArgumentError(`Allowed: a duration from ${INTERVAL_MIN_MS}ms on, such as 500ms or 2s.`);
  }
  return ms;
}

/** One line of `top --json`: the reading, and the rates since the one before. */
function renderJson(previous: CountersReport | undefined, current: CountersReport): string {
  const before = previous && previous.uptimeMs <= current.uptimeMs ? previous : undefined;
  const elapsedMs = current.uptimeMs - (before?.uptimeMs ?? 0);
  const ratesPerSecond = counterRates(before?.totals ?? {}, current.totals, elapsedMs);
  return JSON.stringify({ ...current, elapsedMs, ratesPerSecond });
}

function render(options: TopOptions, screen: Screen, readings: [CountersReport | undefined, CountersReport]): string {
  const [previous, current] = readings;
  if (options.json) return renderJson(previous, current);
  return renderTop({ previous, current, size: screen.size, isColored: pc.isColorSupported });
}

/** Two readings, one interval apart, because a rate needs two. Throws UnreachableError. */
async function showOnce(options: TopOptions): Promise<void> {
  const previous = await fetchReport(options.address);
  await sleep(options.interval);
  const current = await fetchReport(options.address);
  const screen = openScreen(process.stdout, { live: false });
  screen.draw(render(options, screen, [previous, current]));
}

/** Redraws until `signal` ends it; a proxy that does not answer is asked again. */
async function showLive(options: TopOptions, screen: Screen, signal: AbortSignal): Promise<void> {
  let previous: CountersReport | undefined;
  while (!signal.aborted) {
    try {
      const current = await fetchReport(options.address);
      screen.draw(render(options, screen, [previous, current]));
      previous = current;
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const text = `${error.message}; trying again`;
      if (screen.isTerminal) screen.draw(text);
      else console.error(text);
    }
    await sleep(options.interval, undefined, { signal }).catch(() => {});
  }
}

async function runLive(options: TopOptions): Promise<void> {
  const abort = new AbortController();
  const end = (): void => abort.abort();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, end);
  // A reader that had enough (`top | head`) is no failure.
  process.stdout.once("error", end);
  const screen = openScreen(process.stdout, { live: !options.json });
  try {
    await showLive(options, screen, abort.signal);
  } finally {
    screen.close();
    if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
  }
}

async function top(options: TopOptions): Promise<void> {
  if (!options.once) return await runLive(options);
  try {
    await showOnce(options);
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    process.exitCode = EXIT_RUNTIME_FAILURE;
  }
}

export function registerTop(program: Command): void {
  program
    .command("top")
    .description("show the counters of a running proxy: rates per worker, per backend and per stage")
    .option("--address <addr:port>", "where the proxy serves its metrics", parseAddress, parseAddress("127.0.0.1:9464"))
    .option("--interval <duration>", "time between two readings", parseInterval, parseInterval("1s"))
    .option("--once", "print one reading and end; exit code 1 when no proxy answers", false)
    .option("--json", "print one JSON object per reading", false)
    .action(top);
}
