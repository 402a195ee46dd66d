import { fork } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bundle } from "../../../image/bundle.ts";
import { ApiClient } from "../../../kube/client.ts";
import { startApiServer } from "../../integration/operator/api_server.ts";
import { Admin, NAMESPACE, OPERATOR_ACCOUNT, OPERATOR_RULES } from "../../integration/operator/fixtures.ts";
import { fillCluster, PROXY, specOf } from "./cluster.ts";
import { measureChanges } from "./endpoint_changes.ts";
import { OperatorProcess } from "./operator_process.ts";
import { type Phase, renderAims, renderPhases } from "./report.ts";
import { untilProgrammed } from "./watching.ts";

/* The operator with many simulated nodes against a real API server: see docs/benchmarks.md. */

const root = resolve(import.meta.dirname, "../../..");
const directory = join(root, "build/bench/operator");
const NUMBERS_EVERY_MS = 30_000;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    endpoints: { type: "string", default: "5000" },
    changes: { type: "string", default: "50" },
    "in-a-row": { type: "string", default: "20" },
    seconds: { type: "string", default: "60" },
    source: { type: "string", default: root },
  },
});
const size = { nodes: Number(values.nodes), endpoints: Number(values.endpoints) };

await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
// As the image has it.
await bundle(resolve(values.source), directory);
const program = join(directory, "quicproxy-operator.mjs");
const api = await startApiServer();
const phases: Phase[] = [];
const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
const end = async (): Promise<void> => {
  await api.stop();
  // Fleet and operator end with the channel to this process.
  process.exit();
};
process.once("SIGINT", end);
process.once("SIGTERM", end);
try {
  const admin = new Admin(new ApiClient(api.send));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
  say(`${size.nodes} nodes and pods, ${size.endpoints} endpoints are written`);
  const slices = await fillCluster(admin, size);
  const fleetArgs = [api.server, String(NUMBERS_EVERY_MS)];
  fork(join(import.meta.dirname, "fleet_process.ts"), fleetArgs, { stdio: "inherit" });
  await admin.proxy(PROXY, specOf(443));

  const phase = async (
    name: string,
    act: (operator: OperatorProcess) => Promise<number | undefined>,
  ): Promise<void> => {
    say(name);
    const fromMs = Date.now();
    const seconds = await act(operator);
    const seen = await operator.untilStill();
    phases.push({
      name,
      seconds: seconds ?? (seen.lastWriteAtMs - fromMs) / 1000,
      lastedMs: Date.now() - fromMs,
      seen,
    });
    console.log(renderPhases(phases.slice(-1)));
  };

  let operator = await OperatorProcess.start({ api, program, directory });
  await phase("cold start: nothing is made yet", () => untilProgrammed(admin, size.nodes, operator.startedAtMs));
  await phase("steady", async () => {
    await operator.seen();
    await sleep(1000 * Number(values.seconds));
    return Number(values.seconds);
  });
  for (const [name, count, atRest] of [
    ["endpoint changes", Number(values.changes), true],
    ["endpoint changes while the proxies report", Number(values["in-a-row"]), false],
  ] as const) {
    say(`${count} ${name}`);
    const fromMs = Date.now();
    const changes = await measureChanges({ admin, operator, slices, count, nodes: size.nodes, atRest });
    const lastedMs = Date.now() - fromMs;
    phases.push({ name, seconds: changes.p99 / 1000, lastedMs, seen: changes.seen, changes });
    console.log(renderPhases(phases.slice(-1)));
  }
  await phase("change of the spec: every node object is written", async () => {
    const fromMs = Date.now();
    await admin.proxy(PROXY, specOf(8443));
    return untilProgrammed(admin, size.nodes, fromMs);
  });
  await operator.stop();
  operator = await OperatorProcess.start({ api, program, directory });
  await phase("started anew: everything is made already", async () => undefined);
  await operator.stop();
  console.log(
    `${renderPhases(phases)}\n${renderAims(phases)}\nload average ${loadavg().map((load) => load.toFixed(1))}`,
  );
  await writeFile(join(directory, "results.json"), JSON.stringify({ size, phases }, null, 2));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
await end();
