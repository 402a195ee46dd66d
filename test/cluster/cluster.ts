import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A Kubernetes cluster as the end-to-end tests see it, whoever provides it. */
export interface Cluster {
  provider: "local" | "kind" | "named";
  /** Of an administrator, for use on this machine. */
  kubeconfig: string;
  /** Paths of programs, or their names when they are on PATH. */
  kubectl: string;
  helm: string;
  /** Imports an OCI or docker archive on every node. */
  loadImage(archive: string): Promise<void>;
  /** The command line that runs a program on the clients' host, which reaches the nodes by their addresses. */
  onClient(command: readonly string[]): CommandLine;
  /** The command line that runs a program on a node. */
  onNode(node: string, command: readonly string[]): CommandLine;
  /** Stops a node's kubelet where it stands, or lets it go on; pods run on meanwhile. */
  pauseKubelet(node: string, paused: boolean): Promise<void>;
  /** Resolves when the API server answers nobody; everything else goes on. */
  stopApiServer(): Promise<void>;
  /** Resolves when the API server is ready. */
  startApiServer(): Promise<void>;
}

export type CommandLine = [file: string, args: string[]];

/** Runs a command line to its end and resolves with its output. Rejects with what it said when it fails. */
export async function run([file, args]: CommandLine): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, args, { maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`${[file, ...args].join(" ")}: ${stderr?.trim() || message}`);
  }
}

/** Runs kubectl as the administrator of the cluster. */
export function kubectl(cluster: Cluster, args: readonly string[]): Promise<string> {
  return run([cluster.kubectl, [`--kubeconfig=${cluster.kubeconfig}`, ...args]]);
}

export interface ClusterNode {
  name: string;
  v4: string | undefined;
  v6: string | undefined;
}

interface NodeList {
  items: {
    metadata: { name: string; labels: Record<string, string> };
    status: { addresses: { type: string; address: string }[] };
  }[];
}

/** The nodes that take pods. */
export async function workerNodes(cluster: Cluster): Promise<ClusterNode[]> {
  const { items } = JSON.parse(await kubectl(cluster, ["get", "nodes", "-o", "json"])) as NodeList;
  return items
    .filter(({ metadata }) => !("node-role.kubernetes.io/control-plane" in metadata.labels))
    .map(({ metadata, status }) => {
      const internal = status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address);
      return {
        name: metadata.name,
        v4: internal.find((address) => !address.includes(":")),
        v6: internal.find((address) => address.includes(":")),
      };
    });
}

/** Ends a container the hard way; the kubelet starts it again. `containerId` as in the status of its pod. */
export async function killContainer(cluster: Cluster, node: string, containerId: string): Promise<void> {
  const id = containerId.replace(/^containerd:\/\//, "");
  await run(cluster.onNode(node, ["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id]));
}
