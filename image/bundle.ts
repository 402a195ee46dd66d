import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/** Command to what it starts. */
export const commands = {
  quicproxy: "proxy/cli/main.ts",
  "quicproxy-operator": "operator/main.ts",
} as const;

/** npm packages for CommonJS ask for it at run time. The long name is not one that a bundled file may have, too. */
const REQUIRE =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);';
/**
 * The kernel starts a command by this line, with one argument: the image has no shell. Without that, SIGUSR1 would open a
 * debugger on the network of the pod, which for a proxy is the host's, until the program's own handler is there.
 */
const INTERPRETER = "#!/usr/bin/node --disable-sigusr1";

/**
 * Bundles both commands with all they import into `<command>.mjs` and the chunks that they share. Names stay readable and
 * lines unjoined, so that a stack trace says something. Returns the npm packages whose code is in it, by their folders.
 */
export async function bundle(root: string, directory: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.entries(commands).map(([out, input]) => ({ in: input, out })),
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: REQUIRE },
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  for (const command of Object.keys(commands)) {
    const file = join(directory, `${command}.mjs`);
    writeFileSync(file, `${INTERPRETER}\n${readFileSync(file, "utf8").replace(/^#!.*\n/, "")}`);
    chmodSync(file, 0o755);
  }
  return packagesOf(Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs)));
}

function packagesOf(files: readonly string[]): string[] {
  const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
  return [...new Set(files.flatMap((file) => folder.exec(file)?.[0] ?? []))].sort();
}
