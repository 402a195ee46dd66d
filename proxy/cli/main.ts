#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { registerDemo } from "./demo.ts";
import { registerRun } from "./run.ts";
import { registerTop } from "./top.ts";
import { registerValidate } from "./validate.ts";

const EXIT_FAILURE = 1;
const EXIT_WRONG_INPUT = 2;

const program = new Command("quicproxy")
  .description(packageJson.description)
  .version(packageJson.version)
  .showHelpAfterError("(quicproxy --help shows what there is)")
  .exitOverride();

registerRun(program);
registerValidate(program);
registerTop(program);
registerDemo(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

/** Help and version are no failures; a wrong option or command is wrong input; the rest failed while running. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_INPUT;
  process.stderr.write(`quicproxy: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT_FAILURE;
}
