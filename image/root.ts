import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  globSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { bundle, commands } from "./bundle.ts";
import { copyLibraries, librariesOf, libraryLicences } from "./libraries.ts";

/** Of the operator, which needs no right of the node's. Proxies run as UID 0 (docs/adr/0008). */
export const UNPRIVILEGED_ID = 65_532;

const PROGRAM_DIRECTORY = "/usr/lib/quicproxy";
const ADDONS = ["quicproxy.node", "quicproxy_host.node"];
const LICENCE_DIRECTORY = "/usr/share/licenses";
/** Where volumes are mounted: in a read-only root nothing can make these later. */
const EMPTY_DIRECTORIES = [
  "/dev",
  "/etc/quicproxy/keys",
  "/proc",
  "/run/quicproxy",
  "/sys",
  "/tmp",
  "/var/lib/quicproxy",
];

const TEXT_FILES: Readonly<Record<string, string>> = {
  "/etc/passwd": `root:x:0:0:root:/:/sbin/nologin\nquicproxy:x:${UNPRIVILEGED_ID}:${UNPRIVILEGED_ID}::/:/sbin/nologin\n`,
  "/etc/group": `root:x:0:\nquicproxy:x:${UNPRIVILEGED_ID}:\n`,
  "/etc/nsswitch.conf": "hosts: files dns\n",
};

/** The files of the image: Node.js, the bundled commands, the addons, and the libraries that these load. */
export async function writeRoot(workTree: string, root: string): Promise<void> {
  const programs = join(root, PROGRAM_DIRECTORY);
  const bin = join(root, "usr/bin");
  for (const path of ["/usr/bin", PROGRAM_DIRECTORY, ...EMPTY_DIRECTORIES]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  for (const [path, text] of Object.entries(TEXT_FILES)) writeFileSync(join(root, path), text);
  // Node.js comes with the symbols of a debugger: 18 MB that no program reads.
  execFileSync("strip", ["-o", join(bin, "node"), join(workTree, "node_modules/node/bin/node")]);
  for (const addon of ADDONS) copyFileSync(join(workTree, "build/Release", addon), join(programs, addon));
  copyFileSync(join(workTree, "build/quicproxy-probe"), join(bin, "quicproxy-probe"));
  const packages = await bundle(workTree, programs);
  for (const command of Object.keys(commands))
    symlinkSync(join(PROGRAM_DIRECTORY, `${command}.mjs`), join(bin, command));
  const libraries = librariesOf([join(bin, "node"), ...ADDONS.map((addon) => join(programs, addon))]);
  copyLibraries(libraries, root);
  const licences = new Map([...ownLicences(workTree, packages), ...libraryLicences(libraries)]);
  mkdirSync(join(root, LICENCE_DIRECTORY), { recursive: true });
  for (const [name, text] of licences) writeFileSync(join(root, LICENCE_DIRECTORY, name), text);
  makeUniform(root);
}

/** By name: this project's, that of Node.js, and those of the npm packages in the bundle. */
function ownLicences(workTree: string, packages: readonly string[]): Map<string, string> {
  const node = globSync("node_modules/{node/node_modules/,}node-linux-*", { cwd: workTree })[0];
  if (node === undefined) throw new Error("the npm package node brought no files: run npm ci");
  const licences = new Map<string, string>();
  for (const folder of [".", node, ...packages]) {
    const { name } = JSON.parse(readFileSync(join(workTree, folder, "package.json"), "utf8")) as { name: string };
    const file = globSync("{LICENSE,LICENCE,license,licence}*", { cwd: join(workTree, folder) })[0];
    if (file !== undefined) licences.set(name.replace("/", "+"), readFileSync(join(workTree, folder, file), "utf8"));
  }
  return licences;
}

/** The same permissions and times wherever the image is made: what differs in the layer must differ in the content. */
function makeUniform(root: string): void {
  for (const entry of globSync("**/*", { cwd: root, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isSymbolicLink()) chmodSync(path, entry.isDirectory() || isProgram(path) ? 0o755 : 0o644);
    lutimesSync(path, 0, 0);
  }
  chmodSync(root, 0o755);
  chmodSync(join(root, "tmp"), 0o1777);
  lutimesSync(root, 0, 0);
}

function isProgram(path: string): boolean {
  return dirname(path).endsWith("/bin") || path.endsWith(".mjs") || path.includes("/lib/") || path.includes("/lib64/");
}
