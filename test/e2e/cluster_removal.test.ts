import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../cluster/cluster.ts";
import { createCgroup, processesInCgroup } from "../cluster/local/cgroups.ts";
import { type Daemon, isRunning, startDaemon } from "../cluster/local/daemon.ts";
import { insideNode, startHolder } from "../cluster/local/node.ts";
import { removeCluster } from "../cluster/local/remove.ts";
import { type State, writeState } from "../cluster/local/state.ts";
import { createNetwork, planTopology, presentNamespaces, type TopologyPlan } from "../cluster/local/topology.ts";

/*
 * What a start that broke off in the middle leaves, down to a process in a node's cgroup, is taken away; the machine's
 * own mounts and settings never change.
 */

let directory: string;
let plan: TopologyPlan;
let started: Daemon[];
let madeDirectories: string[];

/** Without the namespaces that other labs on this machine make and remove meanwhile. */
const machineMounts = (): string[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => !line.includes(" /run/netns"));

const cgroupMounts = (): string[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
    .map(([, mountPoint]) => mountPoint!);

const cgroupDirectories = (): string[] =>
  cgroupMounts()
    .flatMap((mountPoint) => plan.nodes.map(({ cgroup }) => join(mountPoint, cgroup)))
    .filter((path) => existsSync(path));

async function startHalf(): Promise<void> {
  mkdirSync(join(directory, "logs"), { recursive: true });
  const state = { ready: false, daemons: {}, madeDirectories } as unknown as State;
  createNetwork(plan);
  for (const node of plan.nodes) createCgroup(node.cgroup);
  const [node] = plan.nodes;
  const holder = await startHolder(directory, node!, state);
  // As a pod's process: in a cgroup below the node's, and in no namespace of the cluster.
  const [cgroupMount] = cgroupDirectories();
  const pod = join(cgroupMount!, "pod");
  mkdirSync(pod);
  const logFile = join(directory, "logs", "pod.log");
  const orphan = await startDaemon({ name: "pod", command: ["sleep", ["60"]], logFile });
  writeFileSync(join(pod, "cgroup.procs"), String(orphan.pid));
  started.push(holder, orphan);
  writeState(directory, state);
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quicproxy-removal-"));
  plan = planTopology(directory);
  started = [];
  madeDirectories = [];
});

afterEach(async () => {
  await removeCluster(directory);
  await rm(directory, { recursive: true, force: true });
});

test("half a start is taken away without a trace", async () => {
  const mountsBefore = machineMounts();
  await startHalf();
  expect(presentNamespaces(plan)).toHaveLength(5);
  expect(processesInCgroup(plan.nodes[0]!.cgroup)).toEqual([started[1]!.pid]);

  expect(await removeCluster(directory)).toBe(true);
  expect(presentNamespaces(plan)).toEqual([]);
  expect(cgroupDirectories()).toEqual([]);
  expect(started.filter(isRunning)).toEqual([]);
  expect(existsSync(directory)).toBe(false);
  expect(madeDirectories.filter((path) => existsSync(path))).toEqual([]);
  expect(machineMounts()).toEqual(mountsBefore);
  expect(await removeCluster(directory)).toBe(false);
});

test("it is taken away also when its files are gone", async () => {
  await startHalf();
  await rm(directory, { recursive: true });
  expect(await removeCluster(directory)).toBe(true);
  expect(presentNamespaces(plan)).toEqual([]);
  expect(started.filter(isRunning)).toEqual([]);
  for (const path of madeDirectories.toReversed()) await rm(path, { recursive: true });
});

test("a node sees the machine's cgroup hierarchies and the devices of its own network", async () => {
  await startHalf();
  const script = "grep cgroup /proc/mounts | cut -d ' ' -f 2; ls /sys/class/net";
  const said = (await run(insideNode(started[0]!, ["sh", "-c", script]))).split("\n").filter(Boolean);
  expect(said.filter((line) => cgroupMounts().includes(line))).toEqual(cgroupMounts());
  expect(said.filter((line) => !line.startsWith("/"))).toEqual(["eth0", "lo"]);
});

test("a node has paths, host name and machine settings of its own", async () => {
  await startHalf();
  const setting = "/proc/sys/kernel/panic";
  const before = readFileSync(setting, "utf8");
  const script = `hostname; cat ${setting}; echo 77 >${setting}; touch /var/lib/kubelet/own`;
  const said = await run(insideNode(started[0]!, ["sh", "-c", script]));
  expect(said.split("\n").filter(Boolean)).toEqual(["node-1", "10"]);
  expect(readFileSync(setting, "utf8")).toBe(before);
  expect(existsSync("/var/lib/kubelet/own")).toBe(false);
  expect(existsSync(join(directory, "nodes/node-1/root/var/lib/kubelet/own"))).toBe(true);
});
