import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type ClusterNode, kubectl, workerNodes } from "../cluster/cluster.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { download, faultsOf } from "./scene/downloads.ts";
import { apply, condition, list, tryApply, untilEqual } from "./scene/objects.ts";
import { install, operatorName, system, uninstall } from "./scene/product.ts";
import { deployQuicServer, provideQuicServer, type QuicContent } from "./scene/quic_service.ts";
import { type WrongManifest, wrongManifests } from "./scene/wrong_manifests.ts";

/*
 * Whatever is wrong, its author hears of it from kubectl or from a condition, and the QuicProxy that serves is not
 * disturbed: the same proxy processes forward from the first test to the last.
 */

const namespace = "e2e-wrong";
const server = { namespace, name: "quic-server" };

let cluster: Cluster;
let nodes: ClusterNode[];
let content: QuicContent;

const quicProxy = (name: string, spec: object): object => {
  const defaults = { listeners: [{ port: 7443 }], backends: { static: [] }, metrics: { port: 9475 } };
  return {
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata: { namespace, name },
    spec: { ...defaults, ...spec },
  };
};

const service = (name: string, spec: object): object => {
  return { apiVersion: "v1", kind: "Service", metadata: { namespace, name }, spec };
};

const accepted = (name: string): Promise<string> => condition(cluster, namespace, name, "Accepted");

/** One download through each node. */
async function serves(): Promise<string[]> {
  const got = nodes.map(({ v4 }) => download(cluster, content, { address: v4!, port: 443, connections: 1 }));
  return faultsOf((await Promise.all(got)).flat());
}

async function podsAndRestarts(where: string, selector: string): Promise<string[]> {
  const pods = await list(cluster, "pods", ["-n", where, "-l", selector]);
  return pods
    .map(({ metadata, status }) => {
      const { containerStatuses = [] } = status as { containerStatuses?: { restartCount: number }[] };
      return `${metadata.name} ${containerStatuses.map(({ restartCount }) => restartCount).join()}`;
    })
    .sort();
}

const proxies = (): Promise<string[]> => podsAndRestarts(namespace, "quicproxy.io/proxy=sound");
let proxiesAtFirst: string[];

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  content = await provideQuicServer(cluster);
  await install(cluster);
  await apply(cluster, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await deployQuicServer(cluster, { ...server, replicas: 2 }, content);
  const backends = { service: { name: server.name, port: 443 } };
  await apply(
    cluster,
    service("tcp-only", { selector: { app: "none" }, ports: [{ port: 80 }] }),
    service("elsewhere", { type: "ExternalName", externalName: "quicproxy.lab" }),
    service("nobody", { selector: { app: "none" }, ports: [{ port: 443, protocol: "UDP" }] }),
    quicProxy("sound", { listeners: [{ port: 443 }], backends, metrics: {} }),
  );
  await until("it is ready", async () =>
    (await condition(cluster, namespace, "sound", "Ready")).startsWith("True Ready: 2 nodes forward to 2 backends"),
  );
  proxiesAtFirst = await proxies();
}, 300_000);

afterAll(async () => {
  await kubectl(cluster, ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"]);
  await uninstall(cluster).catch(() => undefined);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
  await rm(content.directory, { recursive: true, force: true });
}, 400_000);

describe("a wrong manifest", () => {
  const times: number[] = [];

  test.each(wrongManifests.filter(({ refused }) => refused))("is refused: $what", async ({ changes, ...rest }) => {
    const { accepted, said } = await tryApply(cluster, rest.manifest ?? quicProxy("wrong", changes!));
    expect(said).toMatch(rest.refused!);
    expect(accepted).toBe(false);
  });

  test.each(wrongManifests.filter(({ shown }) => shown))("is shown: $what", async ({
    changes,
    shown,
  }: WrongManifest) => {
    await apply(cluster, quicProxy("wrong", changes!));
    const type = shown!.source.startsWith("^Accepted") ? "Accepted" : "Ready";
    const took = await until(`${type} ${shown}`, async () =>
      shown!.test(`${type} ${await condition(cluster, namespace, "wrong", type)}`),
    );
    times.push(took);
    await kubectl(cluster, ["-n", namespace, "delete", "qp", "wrong", "--timeout=60s"]);
  });

  test("disturbs nobody", async () => {
    const sorted = times.map(Math.round).sort((a, b) => a - b);
    console.log(`from kubectl apply to the condition: median ${sorted[sorted.length >> 1]}, most ${sorted.at(-1)} ms`);
    expect(await serves()).toEqual([]);
    expect(await proxies()).toEqual(proxiesAtFirst);
  });
});

describe("the operator", () => {
  test("says that a right was taken from it, keeps running, and goes on when it is back", async () => {
    const name = await operatorName(cluster);
    const operators = (): Promise<string[]> => podsAndRestarts(system, "app.kubernetes.io/name=quicproxy");
    const before = await operators();
    const bindings = await list(cluster, "clusterrolebindings", []);
    const binding = bindings.find(({ metadata }) => metadata.name.includes(name))!;
    await kubectl(cluster, ["delete", "clusterrolebinding", binding.metadata.name]);
    const logs = (): Promise<string> =>
      kubectl(cluster, ["-n", system, "logs", `deployment/${name}`, "--all-pods", "--since=60s"]);
    await apply(cluster, quicProxy("sound-too", {}));
    await until("the log says what is forbidden", async () => (await logs()).includes("forbidden"), 90_000);
    expect(await serves()).toEqual([]);
    await install(cluster);
    await until("the waiting QuicProxy is accepted", async () => (await accepted("sound-too")).startsWith("True"));
    expect(await operators()).toEqual(before);
    await kubectl(cluster, ["-n", namespace, "delete", "qp", "sound-too", "--timeout=60s"]);
  });

  test("puts back what somebody deletes", async () => {
    await kubectl(cluster, ["-n", namespace, "delete", "role", "quicproxy-sound"]);
    await kubectl(cluster, ["-n", namespace, "delete", "quicproxynode", `sound.${nodes[0]!.name}`]);
    await until("both are back", async () => {
      await kubectl(cluster, ["-n", namespace, "get", "role", "quicproxy-sound"]);
      await kubectl(cluster, ["-n", namespace, "get", "quicproxynode", `sound.${nodes[0]!.name}`]);
      return (await condition(cluster, namespace, "sound", "Ready")).startsWith("True");
    });
    expect(await serves()).toEqual([]);
    expect(await proxies()).toEqual(proxiesAtFirst);
  });

  test("tells of an image that cannot be had, and stops at the first node", async () => {
    const name = await operatorName(cluster);
    const [deployment] = await list(cluster, "deployments", ["-n", system]);
    const spec = deployment!.spec as { template: { spec: { containers: { args: string[] }[] } } };
    const { args } = spec.template.spec.containers[0]!;
    const changeArgs = (value: readonly string[]): Promise<string> => {
      const change = JSON.stringify([{ op: "replace", path: "/spec/template/spec/containers/0/args", value }]);
      return kubectl(cluster, ["-n", system, "patch", "deployment", name, "--type=json", "-p", change]);
    };
    // It would keep the operator from another image than the release's, which is what fails here.
    await kubectl(cluster, ["delete", "validatingadmissionpolicybinding", `${name}-pods`]);
    await changeArgs(args.map((arg) => (arg.startsWith("--image=") ? "--image=localhost/quicproxy:not-there" : arg)));
    await untilEqual(
      "the condition names pod and image",
      async () => {
        const said = await condition(cluster, namespace, "sound", "Programmed");
        return /^False RolloutHalted: .*not-there/.test(said) ? true : said;
      },
      true,
    );
    expect((await proxies()).filter((pod) => proxiesAtFirst.includes(pod))).toHaveLength(1);
    await changeArgs(args);
    await until("every node forwards again", async () => (await serves()).length === 0, 120_000);
  });
});
