import type { Command } from "commander";
import type { QuicProxy } from "../../crds/schema.ts";
import { formatFault } from "../manifest/fault.ts";
import { loadManifest } from "../manifest/load.ts";
import type { ParseResult } from "../manifest/parse.ts";

const EXIT_WRONG_INPUT = 2;

/** Where the command writes; the process by default. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const TERMINAL: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

/** `quicproxy validate -f FILE`: checks a manifest without running anything. Exit code 0: valid, 2: not. */
export function registerValidate(program: Command, output: Output = TERMINAL): void {
  program
    .command("validate")
    .description("check a QuicProxy manifest without running it")
    .requiredOption("-f, --file <file>", "manifest to check; - reads standard input")
    .option("--json", "print {valid, faults, warnings} for programs")
    .action(async ({ file, json }: { file: string; json?: true }) => {
      const result = await loadManifest(file);
      if (json) output.out(`${JSON.stringify(report(result))}\n`);
      else print(file, result, output);
      if (!result.ok) process.exitCode = EXIT_WRONG_INPUT;
    });
}

function report(result: ParseResult): object {
  return { valid: result.ok, faults: result.ok ? [] : result.faults, warnings: result.warnings };
}

function print(file: string, result: ParseResult, { out, err }: Output): void {
  for (const warning of result.warnings) err(`warning: ${formatFault(warning)}\n`);
  if (result.ok) {
    out(`${file}: valid\n${summary(result.manifest)}\n`);
    return;
  }
  err(result.faults.map((fault) => `${formatFault(fault)}\n`).join(""));
  err(`${file}: ${count(result.faults.length, "fault")}\n`);
}

function summary({ metadata, spec }: QuicProxy): string {
  const listeners = count(spec.listeners.length, "listener");
  const backends = count(spec.backends.static?.length ?? 0, "backend");
  const parts = [listeners, backends, ...quicLbSummary(spec), `mode ${spec.dataPlane.mode}`];
  return `${metadata.namespace ?? "default"}/${metadata.name}: ${parts.join(", ")}`;
}

/** Keys are not read: a manifest can be checked where they must not be. */
function quicLbSummary({ routing }: QuicProxy["spec"]): string[] {
  const configs = routing.quicLB ?? [];
  if (configs.length === 0) return [];
  const encrypted = configs.filter(({ key }) => key !== undefined).length;
  return [`${count(configs.length, "QUIC-LB config")} (${encrypted} encrypted)`];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
