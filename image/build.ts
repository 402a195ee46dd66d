import { globSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { writeArchive } from "./archive.ts";
import { UNPRIVILEGED_ID, writeRoot } from "./root.ts";

/*
 * Makes build/image/quicproxy.oci.tar, and quicproxy.txt beside it, which says name, digest and sizes. Stays whole when
 * broken off: both appear under their names only once they are finished.
 */

const workTree = resolve(import.meta.dirname, "..");
const directory = join(workTree, "build/image");
const MIB = 1024 * 1024;

const mib = (octets: number): string => `${(octets / MIB).toFixed(1)} MiB`;

/** Octets in the files of a directory. */
function contentSize(root: string): number {
  return globSync("**/*", { cwd: root })
    .map((path) => lstatSync(join(root, path)))
    .filter((entry) => entry.isFile())
    .reduce((sum, { size }) => sum + size, 0);
}

mkdirSync(directory, { recursive: true });
const work = mkdtempSync(join(directory, "work-"));
try {
  const root = join(work, "root");
  const archive = join(work, "quicproxy.oci.tar");
  await writeRoot(workTree, root);
  const name = `localhost/quicproxy:${packageJson.version}`;
  const digest = writeArchive({
    archive,
    name,
    root,
    work,
    entrypoint: ["quicproxy"],
    env: { PATH: "/usr/bin", NODE_ENV: "production" },
    user: `${UNPRIVILEGED_ID}:${UNPRIVILEGED_ID}`,
    labels: {
      "org.opencontainers.image.title": packageJson.name,
      "org.opencontainers.image.description": packageJson.description,
      "org.opencontainers.image.version": packageJson.version,
      "org.opencontainers.image.licenses": packageJson.license,
    },
  });
  const sizes = `${mib(statSync(archive).size)} packed, ${mib(contentSize(root))} unpacked`;
  writeFileSync(join(directory, "quicproxy.txt"), `${name}\n${digest}\n${sizes}\n`);
  renameSync(archive, join(directory, "quicproxy.oci.tar"));
} finally {
  rmSync(work, { recursive: true, force: true });
}
