import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };

const EXIT_FAILURE = 1;
const EXIT_WRONG_INPUT = 2;

/** The demo starts other programs of the work tree; the image has none of them. */
const isWorkTree = import.meta.filename.endsWith(".ts");

/** In the order of the help. Each is imported only when it is asked for: `run` alone pulls in most of the program. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  run: async () => (await import("./run.ts")).registerRun,
  validate: async () => (await import("./validate.ts")).registerValidate,
  explain: async () => (await import("./explain.ts")).registerExplain,
  top: async () => (await import("./top.ts")).registerTop,
  doctor: async () => (await import("./doctor.ts")).registerDoctor,
  ...(isWorkTree && { demo: async () => (await import("./demo.ts")).registerDemo }),
};

const program = new Command("quicproxy")
  .description(packageJson.description)
  .version(packageJson.version)
  .showHelpAfterError("(quicproxy --help shows what there is)")
  .exitOverride();

try {
  await registerAsked(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

/** The command named first, none for the version, all where help lists them. */
async function registerAsked(first: string | undefined): Promise<void> {
  if (first === "--version" || first === "-V") return;
  const named = first !== undefined && Object.hasOwn(commands, first) ? [commands[first]!] : Object.values(commands);
  for (const load of named) (await load())(program);
}

/** Help and version are no failures; a wrong option or command is wrong input; the rest failed while running. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_WRONG_INPUT;
  console.error(`quicproxy: ${error instanceof Error ? error.message : String(error)}`);
  return EXIT_FAILURE;
}
