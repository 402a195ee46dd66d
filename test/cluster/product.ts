import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Cluster, kubectl, run } from "./cluster.ts";

/*
 * The product as people install it: the image of `make image` and the chart.
 */

/** The operator's namespace. */
export const system = "quicproxy-system";
export const release = "quicproxy";

/** What the tests' class allows: servers on the clients' host, too. Addresses of nodes, Services and others' pods are guarded. */
export const classSpec = { destinations: { cidrs: ["0.0.0.0/0", "::/0"] } };

const root = resolve(import.meta.dirname, "../..");
const chart = resolve(root, "charts/quicproxy");
const archive = resolve(root, "build/image/quicproxy.oci.tar");

/** What `make image` called the image. */
function imageName(): { repository: string; tag: string; digest: string } {
  const [name, digest] = readFileSync(resolve(root, "build/image/quicproxy.txt"), "utf8").split("\n");
  const colon = name!.lastIndexOf(":");
  return { repository: name!.slice(0, colon), tag: name!.slice(colon + 1), digest: digest! };
}

export function helm(cluster: Cluster, args: readonly string[]): Promise<string> {
  return run([cluster.helm, [`--kubeconfig=${cluster.kubeconfig}`, "-n", system, ...args]]);
}

/** Imports the image and installs the chart, or upgrades what is there. Resolves with what helm said. */
export async function install(cluster: Cluster): Promise<string> {
  await cluster.loadImage(archive);
  await makeSystemNamespace(cluster);
  const { repository, tag, digest } = imageName();
  const values = [
    `image.repository=${repository}`,
    `image.tag=${tag}`,
    "image.pullPolicy=Never",
    // The same tag may have had another content: then the pods are made anew.
    `operator.podAnnotations.image=${digest}`,
  ];
  const ofClass = ["--set-json", `class.spec=${JSON.stringify(classSpec)}`];
  const set = [...values.flatMap((value) => ["--set", value]), ...ofClass];
  const before = await helm(cluster, ["get", "values", release]).catch(() => "");
  const said = await helm(cluster, ["upgrade", "--install", release, chart, ...set, "--wait", "--timeout", "120s"]);
  if (before !== "" && !before.includes(digest)) await restartProxies(cluster);
  return said;
}

/** Their image has the name that it had. */
async function restartProxies(cluster: Cluster): Promise<void> {
  const args = ["get", "daemonsets", "-A", "-l", "app.kubernetes.io/managed-by=quicproxy-operator", "-o", "json"];
  const { items } = JSON.parse(await kubectl(cluster, args)) as { items: { metadata: Record<string, string> }[] };
  for (const { metadata } of items) {
    await kubectl(cluster, ["-n", metadata.namespace!, "rollout", "restart", `daemonset/${metadata.name}`]);
  }
}

/** Nothing of the chart needs more than the strictest Pod Security level allows. */
async function makeSystemNamespace(cluster: Cluster): Promise<void> {
  const present = await kubectl(cluster, ["get", "namespace", system, "--ignore-not-found", "-o", "name"]);
  if (present === "") await kubectl(cluster, ["create", "namespace", system]);
  await kubectl(cluster, [
    "label",
    "--overwrite",
    "namespace",
    system,
    "pod-security.kubernetes.io/enforce=restricted",
  ]);
}

/** Takes the release away, if there is one; the CRDs and all QuicProxies stay. */
export async function uninstall(cluster: Cluster): Promise<string> {
  return helm(cluster, ["uninstall", release, "--ignore-not-found", "--wait", "--timeout", "60s"]);
}
