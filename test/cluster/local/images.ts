import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeArchive } from "../../../image/archive.ts";

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
    writeArchive({
      archive,
      name: pauseImage,
      root,
      entrypoint: ["/bin/sleep", "infinity"],
      env: { PATH: "/bin" },
      work,
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
