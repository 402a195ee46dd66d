import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { insideNamespace } from "../../../proxy/lab/namespace.ts";
import { programPath } from "../binaries.ts";
import type { Certificates, KeyPair } from "./certificates.ts";
import type { DaemonPlan } from "./daemon.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { apiServicePort, type HostPlan, podRange, serviceRange } from "./topology.ts";

export interface ControlPlanePlan {
  host: HostPlan;
  /** Of the whole cluster. */
  directory: string;
  certificates: Certificates;
}

type Flags = Record<string, string | boolean | number>;

function flagList(flags: Flags): string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

function daemon({ host, directory }: ControlPlanePlan, name: string, command: readonly string[]): DaemonPlan {
  return { name, command: insideNamespace(host.namespace, command), logFile: join(directory, "logs", `${name}.log`) };
}

const etcdUrl = "http://127.0.0.1:2379";

export function planEtcd(plan: ControlPlanePlan): DaemonPlan {
  const data = join(plan.directory, "etcd");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const flags = flagList({
    "data-dir": data,
    "listen-client-urls": etcdUrl,
    "advertise-client-urls": etcdUrl,
    "listen-peer-urls": "http://127.0.0.1:2380",
    // The data need not outlive the machine.
    "unsafe-no-fsync": true,
    "log-level": "warn",
  });
  return daemon(plan, "etcd", ["etcd", ...flags]);
}

export function planApiServer(plan: ControlPlanePlan): DaemonPlan {
  const { certificates, host } = plan;
  const flags = flagList({
    "etcd-servers": etcdUrl,
    "advertise-address": host.v4,
    "bind-address": "0.0.0.0",
    "secure-port": apiServicePort,
    "service-cluster-ip-range": serviceRange,
    "authorization-mode": "Node,RBAC",
    "enable-admission-plugins": "NodeRestriction",
    "allow-privileged": true,
    "client-ca-file": certificates.authority.certificate,
    "tls-cert-file": certificates.apiServer.certificate,
    "tls-private-key-file": certificates.apiServer.key,
    "kubelet-certificate-authority": certificates.authority.certificate,
    "kubelet-client-certificate": certificates.kubeletClient.certificate,
    "kubelet-client-key": certificates.kubeletClient.key,
    // Otherwise logs and exec look the node's name up in DNS, and hang.
    "kubelet-preferred-address-types": "InternalIP",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": certificates.serviceAccountKey,
    "service-account-signing-key-file": certificates.serviceAccountKey,
    "shutdown-watch-termination-grace-period": "0s",
    profiling: false,
  });
  return daemon(plan, "kube-apiserver", [programPath("kube-apiserver"), ...flags]);
}

export function planControllers(plan: ControlPlanePlan): DaemonPlan[] {
  const { certificates } = plan;
  const shared = { "leader-elect": false, "bind-address": "127.0.0.1", profiling: false };
  const controllerManager = flagList({
    ...shared,
    kubeconfig: kubeconfigOf(plan, "controller-manager", certificates.controllerManager),
    "use-service-account-credentials": true,
    "allocate-node-cidrs": true,
    "cluster-cidr": podRange,
    "service-account-private-key-file": certificates.serviceAccountKey,
    "root-ca-file": certificates.authority.certificate,
    // Otherwise it makes a folder of the machine's own.
    "flex-volume-plugin-dir": join(plan.directory, "volume-plugins"),
  });
  const scheduler = flagList({ ...shared, kubeconfig: kubeconfigOf(plan, "scheduler", certificates.scheduler) });
  return [
    daemon(plan, "kube-controller-manager", [programPath("kube-controller-manager"), ...controllerManager]),
    daemon(plan, "kube-scheduler", [programPath("kube-scheduler"), ...scheduler]),
  ];
}

/** A kubeconfig for use on the cluster's hosts. */
export function kubeconfigOf({ directory, certificates, host }: ControlPlanePlan, name: string, user: KeyPair): string {
  return writeKubeconfig({
    file: join(directory, "kubeconfigs", name),
    server: `https://${host.v4}:${apiServicePort}`,
    authority: certificates.authority.certificate,
    user,
  });
}
