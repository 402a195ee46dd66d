import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What every pod's sandbox runs. Its content is busybox, so it also serves as a small image for tests. */
export const pauseImage = "localhost/pause:1";

const applets = ["sh", "sleep", "cat", "wget", "httpd", "nc", "ip"];

/** Writes the OCI archive of the image that needs no registry. */
export function writePauseImage(archive: string): void {
  const work = mkdtempSync(join(dirname(archive), "image-"));
  try {
    const root = join(work, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    mkdirSync(join(root, "tmp"));
    cpSync("/bin/busybox", join(root, "bin/busybox"));
    for (const applet of applets) symlinkSync("busybox", join(root, "bin", applet));
    writeOciArchive({ archive, name: pauseImage, root, entrypoint: ["/bin/sleep", "infinity"], work });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export interface ImagePlan {
  archive: string;
  /** With tag. */
  name: string;
  /** A directory with the files of the image. */
  root: string;
  entrypoint: readonly string[];
  /** An empty place for files on the way. */
  work: string;
}

/** An image of one layer in the OCI image layout, as a tar archive. The same files give the same archive. */
export function writeOciArchive({ archive, name, root, entrypoint, work }: ImagePlan): void {
  const layout = join(work, "layout");
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const blob = (content: Buffer | string, mediaType: string): { mediaType: string; digest: string; size: number } => {
    const bytes = Buffer.from(content);
    const hash = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(layout, "blobs/sha256", hash), bytes);
    return { mediaType, digest: `sha256:${hash}`, size: bytes.length };
  };
  const media = "application/vnd.oci.image";
  packDirectory(root, join(work, "layer.tar"));
  const layer = blob(readFileSync(join(work, "layer.tar")), `${media}.layer.v1.tar`);
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const config = blob(
    JSON.stringify({
      architecture,
      os: "linux",
      config: { Entrypoint: entrypoint, Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    }),
    `${media}.config.v1+json`,
  );
  const mediaType = `${media}.manifest.v1+json`;
  const manifest = blob(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] }), mediaType);
  const annotations = { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name };
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  packDirectory(layout, archive);
}

function packDirectory(directory: string, archive: string): void {
  const reproducible = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  execFileSync("tar", [...reproducible, "-cf", archive, "-C", directory, "."], { stdio: "pipe" });
}
