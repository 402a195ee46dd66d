import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const programs = ["ip", "gtlsclient", "gtlsserver", "openssl"];
/** Where servers live that the PATH of an ordinary user leaves out. */
const extraDirectories = ["/usr/sbin", "/sbin"];

/** Why no lab can run here, in words that say what to do; undefined when it can. */
export function labObstacle(): string | undefined {
  if (process.geteuid?.() !== 0) {
    return "the demo makes network namespaces and must run as root; try: sudo make demo";
  }
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length > 0) return `missing here: ${missing.join(", ")}; install with: setup/packages.sh lab`;
  return undefined;
}

function isInstalled(program: string): boolean {
  const directories = [...(process.env.PATH ?? "").split(delimiter), ...extraDirectories];
  return directories.some((directory) => isExecutable(join(directory, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
