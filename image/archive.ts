import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface ImagePlan {
  /** Path of the archive to write. */
  archive: string;
  /** With tag, such as localhost/quicproxy:0.1.0. */
  name: string;
  /** A directory with the files of the image. */
  root: string;
  entrypoint: readonly string[];
  env: Readonly<Record<string, string>>;
  /** UID:GID; UID 0 by default. */
  user?: string;
  labels?: Readonly<Record<string, string>>;
  /** An empty place for files on the way. */
  work: string;
}

interface Descriptor {
  digest: string;
  annotations?: Record<string, string>;
}

const EPOCH = "1970-01-01T00:00:00Z";
const TAG = "latest";

/**
 * Writes an image of one layer as an archive of the OCI image layout (opencontainers/image-spec, image-layout.md) that
 * `docker load` of before Docker 25 reads, too. The same files give the same octets. Returns the image's digest.
 */
export function writeArchive(plan: ImagePlan): string {
  const layout = join(plan.work, "layout");
  rmSync(layout, { recursive: true, force: true });
  const image = `${layout}:${TAG}`;
  umoci("init", "--layout", layout);
  umoci("new", "--image", image);
  const history = ["--history.created", EPOCH, "--history.created_by", "quicproxy"];
  umoci("insert", ...(process.geteuid?.() === 0 ? [] : ["--rootless"]), "--image", image, ...history, plan.root, ".");
  umoci("config", "--image", image, "--no-history", ...configFlags(plan));
  umoci("gc", "--layout", layout);
  const digest = nameImage(layout, plan.name);
  packDirectory(layout, plan.archive);
  return digest;
}

function configFlags({ entrypoint, env, user, labels = {} }: ImagePlan): string[] {
  const pairs = (flag: string, values: Readonly<Record<string, string>>): string[] =>
    Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`]);
  return [
    ...["--created", EPOCH, "--os", "linux", "--architecture", process.arch === "x64" ? "amd64" : process.arch],
    ...(user === undefined ? [] : ["--config.user", user]),
    ...entrypoint.flatMap((word) => ["--config.entrypoint", word]),
    ...pairs("--config.env", env),
    ...pairs("--config.label", labels),
  ];
}

/** Names the layout's one image in the ways that containerd, podman and Docker each look for. */
function nameImage(layout: string, name: string): string {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(layout, path), "utf8"));
  const blob = ({ digest }: Descriptor): string => join("blobs", digest.replace(":", "/"));
  const index = read("index.json") as { manifests: [Descriptor] };
  const [image] = index.manifests;
  image.annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name };
  writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  const { config, layers } = read(blob(image)) as { config: Descriptor; layers: Descriptor[] };
  const docker = [{ Config: blob(config), RepoTags: [name], Layers: layers.map(blob) }];
  writeFileSync(join(layout, "manifest.json"), JSON.stringify(docker));
  return image.digest;
}

function umoci(...args: readonly string[]): void {
  execFileSync("umoci", args, { stdio: ["ignore", "ignore", "inherit"] });
}

function packDirectory(directory: string, archive: string): void {
  const uniform = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  execFileSync("tar", [...uniform, "-cf", archive, "-C", directory, "."], { stdio: "pipe" });
}
