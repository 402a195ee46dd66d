import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { Agent } from "node:https";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ApiEndpoint, httpTransport, type SendRequest } from "../../../kube/transport.ts";

/** A kube-apiserver with etcd on loopback, without any controller: what is written stays as it was written. */
export interface ApiServer {
  /**
   * Where it listens, such as https://127.0.0.1:40000; the token of a member of system:masters is `admin`, that of the
   * operator's ServiceAccount `operator`.
   */
  readonly server: string;
  /** Sends as a member of system:masters. */
  readonly send: SendRequest;
  /** Sends as a ServiceAccount, which may do what RBAC says. */
  sendAs(account: Account): SendRequest;
  /** Stops the API server only, as an outage; `start` brings it back with all that it held. */
  pause(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface Account {
  readonly namespace: string;
  readonly name: string;
  /** On which node the pod runs that the token is bound to; tokens that are made by hand are bound to none. */
  readonly node?: string;
}

const CACHE = join(homedir(), ".cache", "quicproxy");
const READY_WITHIN_MS = 60_000;
const TOKEN = "admin";
const NODE_CLAIM = "impersonate-extra-authentication.kubernetes.io%2fnode-name";

async function findApiServer(): Promise<string> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const folders = [
    ...(assets === undefined ? [] : [assets]),
    ...(await readdir(CACHE).catch(() => [])).map((version) => join(CACHE, version, "bin")),
  ];
  const found = folders.map((folder) => join(folder, "kube-apiserver")).find((path) => existsSync(path));
  if (found === undefined) throw new Error("no kube-apiserver: `make cluster` builds one, or set KUBEBUILDER_ASSETS");
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function writeKeys(directory: string): Promise<void> {
  execFileSync("openssl", ["genrsa", "-out", join(directory, "sa.key"), "2048"], { stdio: "ignore" });
  const account = "system:serviceaccount:quicproxy-system:quicproxy-operator";
  const groups = "system:serviceaccounts,system:serviceaccounts:quicproxy-system";
  const users = [`${TOKEN},admin,admin,"system:masters"`, `operator,${account},operator,"${groups}"`];
  await writeFile(join(directory, "tokens.csv"), `${users.join("\n")}\n`);
}

function run(directory: string, command: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(directory, `${command.split("/").at(-1)}.log`), "a");
  return spawn(command, args, { cwd: directory, stdio: ["ignore", log, log] });
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const cut = setTimeout(() => child.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(cut);
}

/** Sends as a member of system:masters to a server that another process started. */
export function adminTransport(server: string): SendRequest {
  return httpTransport(endpointOf(server));
}

function endpointOf(server: string, headers: Record<string, string> = {}): ApiEndpoint {
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  const options = { agent, headers: { authorization: `Bearer ${TOKEN}`, ...headers } };
  return { server, credentials: async () => options };
}

async function waitUntilReady(send: SendRequest): Promise<void> {
  const until = performance.now() + READY_WITHIN_MS;
  while (performance.now() < until) {
    const response = await send({ method: "GET", path: "/readyz", signal: AbortSignal.timeout(2000) }).catch(
      () => undefined,
    );
    response?.body.destroy();
    if (response?.status === 200) return;
    await sleep(100);
  }
  throw new Error("kube-apiserver was not ready in time");
}

/** Starts both. Rejects where the programs are missing or do not come up. */
export async function startApiServer(): Promise<ApiServer> {
  const program = await findApiServer();
  const directory = await mkdtemp(join(tmpdir(), "quicproxy-api-"));
  await writeKeys(directory);
  const [client, peer, port] = await Promise.all([freePort(), freePort(), freePort()]);
  const etcdUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const etcd = run(directory, "etcd", [
    ...["--data-dir", join(directory, "etcd"), "--unsafe-no-fsync", "--initial-cluster", `default=${peerUrl}`],
    ...["--listen-client-urls", etcdUrl, "--advertise-client-urls", etcdUrl],
    ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
  ]);
  const args = [
    ...["--etcd-servers", etcdUrl, "--bind-address", "127.0.0.1", "--secure-port", String(port)],
    ...["--cert-dir", join(directory, "certs"), "--token-auth-file", "tokens.csv", "--authorization-mode", "RBAC"],
    ...["--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", "sa.key"],
    ...["--service-account-signing-key-file", "sa.key", "--service-cluster-ip-range", "10.97.0.0/24"],
    ...["--disable-admission-plugins", "ServiceAccount", "--allow-privileged"],
  ];
  let server: ChildProcess | undefined;
  const url = `https://127.0.0.1:${port}`;
  const send = adminTransport(url);
  const api: ApiServer = {
    server: url,
    send,
    sendAs: ({ namespace, name, node }) => {
      const user = { "impersonate-user": `system:serviceaccount:${namespace}:${name}` };
      return httpTransport(endpointOf(url, node === undefined ? user : { ...user, [NODE_CLAIM]: node }));
    },
    pause: () => end(server),
    async start() {
      server = run(directory, program, args);
      await waitUntilReady(send);
    },
    async stop() {
      await end(server);
      await end(etcd);
      await rm(directory, { recursive: true, force: true });
    },
  };
  try {
    await api.start();
  } catch (error) {
    await api.stop();
    throw error;
  }
  return api;
}
