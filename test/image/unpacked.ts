import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const directory = resolve(import.meta.dirname, "../../build/image");
const archive = join(directory, "quicproxy.oci.tar");

export interface ImageConfig {
  architecture: string;
  config: { User: string; Env: string[]; Entrypoint: string[]; Labels: Record<string, string> };
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The image of build/image, unpacked from its archive as a container runtime does it. */
export interface UnpackedImage {
  /** What `make image` says of it. */
  summary: { name: string; digest: string };
  /** Of index.json and manifest.json. */
  index: { manifests: { digest: string; annotations: Record<string, string> }[] };
  docker: { RepoTags: string[]; Layers: string[] }[];
  config: ImageConfig;
  /** A directory with the files of the image. */
  root: string;
  /** Runs a command in the image: its files alone, read-only, as that user, with no capability but those chroot needs. */
  run(user: string, command: readonly string[]): Outcome;
  remove(): Promise<void>;
}

export async function unpackImage(): Promise<UnpackedImage> {
  const work = await mkdtemp(join(tmpdir(), "quicproxy-image-"));
  const layout = join(work, "layout");
  const root = join(work, "root");
  const read = <T>(path: string): T => JSON.parse(readFileSync(join(layout, path), "utf8")) as T;
  for (const path of [layout, root]) await mkdir(path);
  execFileSync("tar", ["-xf", archive, "-C", layout]);
  const docker = read<(UnpackedImage["docker"][number] & { Config: string })[]>("manifest.json");
  for (const layer of docker[0]!.Layers) execFileSync("tar", ["-xzf", join(layout, layer), "-C", root]);
  const [name, digest] = readFileSync(join(directory, "quicproxy.txt"), "utf8").split("\n") as [string, string];
  return {
    summary: { name, digest },
    index: read("index.json"),
    docker,
    config: read(docker[0]!.Config),
    root,
    run: (user, command) => runInside(root, user, command),
    remove: () => rm(work, { recursive: true }),
  };
}

/** In a mount namespace of its own: nothing is left mounted, however the command ends. */
function runInside(root: string, user: string, command: readonly string[]): Outcome {
  const script =
    'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && mount -t proc proc "$1/proc" && shift && exec "$@"';
  const drop = ["setpriv", "--bounding-set=-all,+sys_chroot,+setuid,+setgid", "--inh-caps=-all", "--no-new-privs"];
  const inside = ["chroot", `--userspec=${user}`, root, ...command];
  const args = ["--mount", "--net", "sh", "-ec", script, "sh", root, "timeout", "30", ...drop, ...inside];
  const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", env: { PATH: process.env.PATH } });
  return { status, stdout, stderr };
}
