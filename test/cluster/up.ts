import { kubectl, workerNodes } from "./cluster.ts";
import { install, release, system } from "./product.ts";
import { startCluster } from "./provider.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
}
const started = performance.now();
const say = (text: string): void => {
  console.log(`[${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s] ${text}`);
};

try {
  const cluster = await startCluster({ say, signal: interrupted.signal });
  const nodes = await workerNodes(cluster);
  say(`up: ${nodes.map(({ name, v4, v6 }) => `${name} ${[v4, v6].filter(Boolean).join(" ")}`).join(", ")}`);
  console.log(await kubectl(cluster, ["get", "nodes", "-o", "wide"]));
  await install(cluster);
  say("the chart quicproxy is installed");
  const [file, args] = cluster.onClient(["<command>"]);
  console.log(
    [
      "What to type next:",
      `  export KUBECONFIG=${cluster.kubeconfig}`,
      `  ${cluster.kubectl} get pods -A`,
      `  ${cluster.helm} test ${release} -n ${system}`,
      `  ${cluster.helm} get notes ${release} -n ${system}        what to do with it`,
      `  ${[file, ...args].join(" ")}        on the clients' host`,
      "  make cluster-down        takes everything away again",
    ].join("\n"),
  );
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
