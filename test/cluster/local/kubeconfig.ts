import { readFileSync, writeFileSync } from "node:fs";
import type { KeyPair } from "./certificates.ts";

export interface KubeconfigPlan {
  file: string;
  /** For instance https://127.0.0.1:6443. */
  server: string;
  authority: string;
  user: KeyPair;
}

/** Writes a kubeconfig that carries its certificates, so that it can be copied anywhere. JSON is YAML. */
export function writeKubeconfig({ file, server, authority, user }: KubeconfigPlan): string {
  const encoded = (path: string): string => readFileSync(path).toString("base64");
  const name = "quicproxy";
  const content = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": encoded(authority) } }],
    users: [
      { name, user: { "client-certificate-data": encoded(user.certificate), "client-key-data": encoded(user.key) } },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  return file;
}
