import { existsSync, mkdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programPath } from "../binaries.ts";
import { type Daemon, type DaemonPlan, isRunning, startDaemon, untilTrue } from "./daemon.ts";
import { pauseImage } from "./images.ts";
import { makeMountPoint, type State } from "./state.ts";
import { type NodePlan, podRange } from "./topology.ts";

/** Paths that each node has for itself. */
const mountPoints = [
  "/var/lib/kubelet",
  "/var/lib/containerd",
  "/run/containerd",
  "/var/log/pods",
  "/var/log/containers",
  "/etc/cni/net.d",
  "/var/lib/cni",
  // The CNI plugins' names of the pods' namespaces must not pile up on the machine.
  "/run/netns",
  "/var/lib/quicproxy",
  "/run/quicproxy",
];

const overlayfs = 0x794c7630;

export function nodeDirectory(directory: string, { name }: NodePlan): string {
  return join(directory, "nodes", name);
}

/** Starts the process that holds the node's mount namespace. */
export async function startHolder(directory: string, node: NodePlan, state: State): Promise<Daemon> {
  const own = nodeDirectory(directory, node);
  for (const point of mountPoints) {
    mkdirSync(join(own, "root", point), { recursive: true });
    makeMountPoint(point, state);
  }
  const enter = [`--net=/run/netns/${node.namespace}`, "unshare", "--mount", "--uts", "--propagation=private"];
  const script = [join(import.meta.dirname, "node_mounts.sh"), own, node.name, ...mountPoints];
  const holder = await startDaemon({
    name: `${node.name}-holder`,
    command: ["nsenter", [...enter, ...script]],
    logFile: join(directory, "logs", `${node.name}-holder.log`),
  });
  await untilTrue(`mounts of ${node.name}`, [holder], async () => existsSync(join(own, "mounted")));
  return holder;
}

/** The command line that runs a program on a node; it keeps one process id from start to end. */
export function insideNode(holder: Daemon, command: readonly string[]): [string, string[]] {
  if (!isRunning(holder)) throw new Error(`${holder.name} does not run`);
  return ["nsenter", ["--target", String(holder.pid), "--mount", "--net", "--uts", "--", ...command]];
}

export interface NodeStart {
  node: NodePlan;
  holder: Daemon;
  /** Of the whole cluster. */
  directory: string;
}

function daemon({ node, holder, directory }: NodeStart, program: string, command: readonly string[]): DaemonPlan {
  const name = `${node.name}-${program}`;
  return { name, command: insideNode(holder, command), logFile: join(directory, "logs", `${name}.log`) };
}

export function planContainerd(start: NodeStart): DaemonPlan {
  const own = nodeDirectory(start.directory, start.node);
  const file = join(own, "containerd.toml");
  // An overlay cannot lie on another.
  const snapshotter = statfsSync(own).type === overlayfs ? "native" : "overlayfs";
  writeFileSync(
    file,
    `version = 2
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # Without CAP_SYS_RESOURCE no sandbox starts otherwise.
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "${snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
`,
  );
  return daemon(start, "containerd", ["containerd", "--config", file, "--log-level", "warn"]);
}

export interface KubeletFiles {
  kubeconfig: string;
  authority: string;
  certificate: string;
  key: string;
}

export function planKubelet(start: NodeStart, files: KubeletFiles): DaemonPlan {
  const { node, directory } = start;
  const own = nodeDirectory(directory, node);
  const resolvConf = join(own, "resolv.conf");
  writeFileSync(resolvConf, "options timeout:1 attempts:1\n");
  const config = writeConfig(join(own, "kubelet.json"), {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { anonymous: { enabled: false }, x509: { clientCAFile: files.authority } },
    authorization: { mode: "Webhook" },
    tlsCertFile: files.certificate,
    tlsPrivateKeyFile: files.key,
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${node.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    // Images come by hand: the collector must take none away, and a machine's full disk must evict nothing.
    imageGCHighThresholdPercent: 100,
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%" },
    volumePluginDir: "/var/lib/kubelet/volume-plugins",
    makeIPTablesUtilChains: false,
    oomScoreAdj: 0,
    resolvConf,
  });
  const flags = [`--config=${config}`, `--kubeconfig=${files.kubeconfig}`, `--hostname-override=${node.name}`];
  return daemon(start, "kubelet", [programPath("kubelet"), ...flags, `--node-ip=${node.v4},${node.v6}`]);
}

export function planKubeProxy(start: NodeStart, kubeconfig: string): DaemonPlan {
  const { node, directory } = start;
  const config = writeConfig(join(nodeDirectory(directory, node), "kube-proxy.json"), {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig },
    hostnameOverride: node.name,
    clusterCIDR: podRange,
    mode: "nftables",
    // These settings of connection tracking cannot be written in a namespace.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
    oomScoreAdj: 0,
  });
  return daemon(start, "kube-proxy", [programPath("kube-proxy"), `--config=${config}`]);
}

/** Pods of this node get addresses of a range and a route through it: with this the node becomes ready. */
export function writePodNetwork(directory: string, node: NodePlan, range: string): void {
  writeConfig(join(nodeDirectory(directory, node), "root/etc/cni/net.d/10-pods.conflist"), {
    cniVersion: "0.4.0",
    name: "pods",
    plugins: [
      {
        type: "ptp",
        ipam: { type: "host-local", ranges: [[{ subnet: range }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
    ],
  });
}

function writeConfig(file: string, content: unknown): string {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}
