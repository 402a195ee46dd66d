import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TopologyPlan } from "./topology.ts";

/** Paths of PEM files. */
export interface KeyPair {
  key: string;
  certificate: string;
}

/** One authority signs everything; the names are those that the API server's built-in roles are bound to. */
export interface Certificates {
  authority: KeyPair;
  apiServer: KeyPair;
  /** The API server's own when it calls a kubelet. */
  kubeletClient: KeyPair;
  admin: KeyPair;
  controllerManager: KeyPair;
  scheduler: KeyPair;
  kubeProxy: KeyPair;
  /** By the name of the node; for serving and for calling. */
  nodes: Record<string, KeyPair>;
  /** Signs the tokens of ServiceAccounts. */
  serviceAccountKey: string;
}

const settings = `[req]
distinguished_name = subject
prompt = no
[subject]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,digitalSignature
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
`;

interface Issue {
  name: string;
  subject: string;
  /** Absent: signed by itself. */
  authority?: KeyPair;
  alternativeNames?: readonly string[];
}

function issue(directory: string, { name, subject, authority, alternativeNames = [] }: Issue): KeyPair {
  const pair = { key: join(directory, `${name}.key`), certificate: join(directory, `${name}.crt`) };
  const signer = authority === undefined ? [] : ["-CA", authority.certificate, "-CAkey", authority.key];
  const names = alternativeNames.length === 0 ? [] : ["-addext", `subjectAltName=${alternativeNames.join(",")}`];
  const kind = ["-config", join(directory, "openssl.conf"), "-extensions", authority ? "leaf" : "authority"];
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split(" ");
  const files = ["-keyout", pair.key, "-out", pair.certificate];
  execFileSync("openssl", [...request, "-subj", subject, ...kind, ...signer, ...names, ...files], { stdio: "pipe" });
  return pair;
}

/** Makes every key and certificate of a cluster, good for 30 days. Needs OpenSSL 3. */
export function createCertificates(directory: string, { control, nodes }: TopologyPlan): Certificates {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "openssl.conf"), settings);
  const authority = issue(directory, { name: "ca", subject: "/CN=quicproxy-test-cluster" });
  const leaf = (name: string, subject: string, alternativeNames?: readonly string[]): KeyPair =>
    issue(directory, { name, subject, authority, ...(alternativeNames ? { alternativeNames } : {}) });

  const service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map((name) => `DNS:${name}`);
  // 10.96.0.1 is the first address of the service range: the API server's own.
  const apiNames = [
    ...service,
    "DNS:localhost",
    "IP:127.0.0.1",
    "IP:10.96.0.1",
    `IP:${control.v4}`,
    `IP:${control.v6}`,
  ];
  const serviceAccountKey = join(directory, "service-account.key");
  // In the form from which the API server takes the public half, too; genpkey writes another.
  const generate = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", serviceAccountKey];
  execFileSync("openssl", generate, { stdio: "pipe" });
  return {
    authority,
    apiServer: leaf("apiserver", "/CN=kube-apiserver", apiNames),
    kubeletClient: leaf("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    admin: leaf("admin", "/O=system:masters/CN=kubernetes-admin"),
    controllerManager: leaf("controller-manager", "/CN=system:kube-controller-manager"),
    scheduler: leaf("scheduler", "/CN=system:kube-scheduler"),
    kubeProxy: leaf("kube-proxy", "/CN=system:kube-proxy"),
    nodes: Object.fromEntries(
      nodes.map(({ name, v4, v6 }) => {
        const names = [`DNS:${name}`, `IP:${v4}`, `IP:${v6}`];
        return [name, leaf(name, `/O=system:nodes/CN=system:node:${name}`, names)];
      }),
    ),
    serviceAccountKey,
  };
}
