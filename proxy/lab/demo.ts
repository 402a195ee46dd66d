import { untilChildrenEnded } from "./child.ts";
import { keptLabName, namespacesOf, removeLab } from "./namespace.ts";
import { runScenario, type ScenarioPlan, setScene } from "./scenario.ts";
import { renderSummary } from "./summary.ts";
import { createTopology, type Topology } from "./topology.ts";
import { findFaults } from "./verdict.ts";

export interface DemoPlan extends ScenarioPlan {
  /** Leave the lab running under the name of the kept lab. */
  keep: boolean;
  /** Takes what is said before and after the downloads. */
  say: (text: string) => void;
}

/**
 * Makes a lab, runs the scenario in it, says what came of it and removes the lab, whatever happens.
 * Resolves with the faults found; rejects when the lab cannot be made or `plan.signal` fires.
 */
export async function runDemo(plan: DemoPlan): Promise<string[]> {
  if (plan.keep && namespacesOf(keptLabName).length > 0) {
    throw new Error("a demo is already kept running; end it with: quicproxy demo --clean");
  }
  const topology = createTopology(plan.keep ? { name: keptLabName } : {});
  let keepNow = false;
  const removeNow = (): void => {
    if (!keepNow) removeLab(topology.name);
  };
  process.once("exit", removeNow);
  try {
    const faults = await playDemo(topology, plan);
    keepNow = plan.keep;
    return faults;
  } finally {
    process.removeListener("exit", removeNow);
    removeNow();
    if (!keepNow) await untilChildrenEnded();
  }
}

async function playDemo(topology: Topology, plan: DemoPlan): Promise<string[]> {
  const { client, edge, backends } = topology;
  const namespaces = [client, edge, ...backends].map(({ namespace }) => namespace.slice(topology.name.length + 1));
  plan.say(`lab ${topology.name}: network namespaces ${namespaces.join(", ")}`);
  const scene = await setScene(topology);
  plan.say("ngtcp2 servers on all backends, quicproxy run -f examples/edge.yaml on the edge");
  plan.signal.throwIfAborted();

  const result = await runScenario(scene, plan);
  const names = new Map(backends.flatMap(({ name, v4, v6 }) => [v4, v6].map((address) => [address, name] as const)));
  const faults = findFaults(result, names);
  plan.say(renderSummary(result, names));
  if (!plan.keep) {
    const code = await scene.proxy.stop();
    if (code !== 0) faults.push(`the proxy ended with ${code}`);
  }
  return faults;
}

/** What to type while the lab is kept. */
export function keptInstructions(): string {
  const inside = (role: string): string => `ip netns exec ${keptLabName}-${role}`;
  return [
    "The lab keeps running. What to type next:",
    `  ${inside("edge")} npx quicproxy top`,
    `  ${inside("edge")} curl -s http://127.0.0.1:9464/metrics`,
    `  ${inside("client")} gtlsclient -q --exit-on-all-streams-close --download=/tmp 10.79.1.1 443 https://10.79.1.1/whoami && cat /tmp/whoami`,
    "  npx quicproxy demo --clean        ends it",
  ].join("\n");
}
