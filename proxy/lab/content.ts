import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  key: string;
  certificate: string;
}

/** A self-signed certificate, made once per lab. */
export function createCertificate(directory: string): Certificate {
  const paths = { key: join(directory, "key.pem"), certificate: join(directory, "certificate.pem") };
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=quicproxy.lab";
  const subject = ["-addext", "subjectAltName=DNS:quicproxy.lab"];
  const files = ["-keyout", paths.key, "-out", paths.certificate];
  execFileSync("openssl", [...request.split(" "), ...subject, ...files], { stdio: "pipe" });
  return paths;
}

export interface Content {
  name: string;
  bytes: number;
  sha256: string;
}

/** The file by which a backend says who it is. */
export const whoamiFile = "whoami";

/** One document root per backend: the same random files in each, and `whoami` with the backend's own name. */
export function createContent(
  directory: string,
  backends: readonly string[],
  sizes: Record<string, number>,
): Content[] {
  const shared = contentDirectory(directory);
  mkdirSync(shared, { recursive: true });
  const contents = Object.entries(sizes).map(([name, bytes]) => {
    const data = randomBytes(bytes);
    writeFileSync(join(shared, name), data);
    return { name, bytes, sha256: createHash("sha256").update(data).digest("hex") };
  });
  for (const backend of backends) {
    const root = documentRoot(directory, backend);
    mkdirSync(root, { recursive: true });
    for (const { name } of contents) linkSync(join(shared, name), join(root, name));
    writeFileSync(join(root, whoamiFile), backend);
  }
  return contents;
}

/** The files that are the same for all backends, as the clients compare them. */
export function contentDirectory(directory: string): string {
  return join(directory, "content");
}

export function documentRoot(directory: string, backend: string): string {
  return join(directory, "htdocs", backend);
}

/** What is wrong with a downloaded file, or undefined. */
export function contentFault(directory: string, { name, bytes, sha256 }: Content): string | undefined {
  let data: Buffer;
  try {
    data = readFileSync(join(directory, name));
  } catch {
    return `${name} did not arrive`;
  }
  if (data.length !== bytes) return `${name} has ${data.length} of ${bytes} bytes`;
  return createHash("sha256").update(data).digest("hex") === sha256 ? undefined : `${name} has other content`;
}
