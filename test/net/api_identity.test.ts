import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiClient } from "../../kube/client.ts";
import { openEndpoint } from "../../kube/kubeconfig.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { httpTransport } from "../../kube/transport.ts";

/* Who a program is at the API server, as the client library knows it: what the kubelet replaces is followed. */

const SERVICE_ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount";
/** After that the library reads a token again. */
const TOKEN_AGE_MS = 61_000;

interface Pair {
  readonly key: string;
  readonly cert: string;
}

let first: Pair;
let second: Pair;
let root: string;
let server: Server;
/** What each request showed of itself. */
let seen: { authorization: string | undefined; user: unknown }[];
let connections: number;

/** A certificate for 127.0.0.1 that signs itself. */
function createPair(name: string): Pair {
  const directory = mkdtempSync(join(tmpdir(), "quicproxy-pair-"));
  try {
    const [key, cert] = [join(directory, "key"), join(directory, "cert")];
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(" ");
    const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", [...request, ...names, "-keyout", key, "-out", cert], { stdio: "pipe" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

beforeAll(() => {
  first = createPair("first");
  second = createPair("second");
});

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "quicproxy-identity-"));
  mkdirSync(join(root, SERVICE_ACCOUNT), { recursive: true });
  seen = [];
  connections = 0;
  server = createServer({ ...first, requestCert: true, rejectUnauthorized: false }, ({ headers, socket }, response) => {
    const user = (socket as TLSSocket).getPeerCertificate().subject?.CN;
    seen.push({ authorization: headers.authorization, user });
    response.end("{}");
  });
  server.on("secureConnection", () => connections++);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  rmSync(root, { recursive: true });
});

const port = (): string => String((server.address() as AddressInfo).port);
const ask = (client: ApiClient) => client.get(RESOURCES.nodes, { name: "node-1" });

describe("in a pod", () => {
  const put = (file: string, text: string): void => writeFileSync(join(root, SERVICE_ACCOUNT, file), text);

  function clientOfPod(): ApiClient {
    vi.stubEnv("KUBECONFIG", undefined);
    vi.stubEnv("KUBERNETES_SERVICE_HOST", "127.0.0.1");
    vi.stubEnv("KUBERNETES_SERVICE_PORT", port());
    return new ApiClient(httpTransport(openEndpoint({ env: process.env, root: `${root}/` })));
  }

  it("shows the token of its service account, over connections that it keeps", async () => {
    put("ca.crt", first.cert);
    put("token", "one");
    const client = clientOfPod();
    for (let count = 0; count < 3; count++) await ask(client);
    expect(seen.map(({ authorization }) => authorization)).toEqual(Array(3).fill("Bearer one"));
    expect(connections).toBe(1);
  });

  it("trusts no other authority than that of its service account", async () => {
    put("ca.crt", second.cert);
    put("token", "one");
    await expect(ask(clientOfPod())).rejects.toThrow("self-signed certificate");
    expect(seen).toEqual([]);
  });

  it("shows a new token within a minute", async () => {
    put("ca.crt", first.cert);
    put("token", "one");
    const client = clientOfPod();
    await ask(client);
    put("token", "two");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + TOKEN_AGE_MS });
    await ask(client);
    expect(seen.map(({ authorization }) => authorization)).toEqual(["Bearer one", "Bearer two"]);
  });

  it("follows a new authority, and no longer trusts the one before", async () => {
    put("ca.crt", first.cert);
    put("token", "one");
    const client = clientOfPod();
    await ask(client);
    server.setSecureContext(second);
    server.closeAllConnections();
    await expect(ask(client)).rejects.toThrow();
    put("ca.crt", second.cert);
    await ask(client);
    server.setSecureContext(first);
    server.closeAllConnections();
    await expect(ask(client)).rejects.toThrow();
    expect(seen).toHaveLength(2);
  });
});

describe("outside of a pod", () => {
  const inBase64 = (text: string): string => Buffer.from(text).toString("base64");

  function writeKubeconfig(user: object): void {
    const cluster = { server: `https://127.0.0.1:${port()}`, "certificate-authority-data": inBase64(first.cert) };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "here",
      contexts: [{ name: "here", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user }],
    };
    writeFileSync(join(root, "config"), JSON.stringify(config));
    vi.stubEnv("KUBECONFIG", join(root, "config"));
  }

  const clientOfKubeconfig = () => new ApiClient(httpTransport(openEndpoint({ env: process.env })));

  it("shows the certificate of a kubeconfig, also where there is a pod's identity", async () => {
    vi.stubEnv("KUBERNETES_SERVICE_HOST", "192.0.2.1");
    vi.stubEnv("KUBERNETES_SERVICE_PORT", "443");
    writeKubeconfig({ "client-certificate-data": inBase64(second.cert), "client-key-data": inBase64(second.key) });
    await ask(clientOfKubeconfig());
    expect(seen).toEqual([{ authorization: undefined, user: "second" }]);
  });

  it("asks a program for the token where the kubeconfig says so", async () => {
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "t" },
    };
    const exec = { apiVersion: credential.apiVersion, command: "echo", args: [JSON.stringify(credential)] };
    writeKubeconfig({ exec: { ...exec, interactiveMode: "Never" } });
    await ask(clientOfKubeconfig());
    expect(seen.map(({ authorization }) => authorization)).toEqual(["Bearer t"]);
  });

  it("says what is missing where there is neither", () => {
    vi.stubEnv("HOME", root);
    for (const name of ["KUBECONFIG", "KUBERNETES_SERVICE_HOST"]) vi.stubEnv(name, undefined);
    expect(() => openEndpoint({ env: process.env })).toThrow("no cluster: run in a pod, or set KUBECONFIG");
  });
});
