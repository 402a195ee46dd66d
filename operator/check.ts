import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { ApiClient } from "../kube/client.ts";
import { openEndpoint } from "../kube/kubeconfig.ts";
import { RESOURCES } from "../kube/resources.ts";
import { httpTransport } from "../kube/transport.ts";

interface CheckFlags {
  host: string;
  port: string;
  seconds: string;
}

const OWN_KINDS = [
  RESOURCES.quicProxies,
  RESOURCES.quicProxyClasses,
  RESOURCES.quicProxyNodes,
  RESOURCES.quicProxyBackends,
  RESOURCES.quicProxyKeys,
];
const EVERY_MS = 1_000;
const ANSWER_WITHIN_MS = 5_000;

/**
 * What is wrong with an installation, a line each; none: it works. Every account may ask what the API server serves. The
 * Service leads to any replica, and one that waits for the lease has watched nothing: only the leader's answer counts.
 */
export async function problemsOf(
  { host, port }: Pick<CheckFlags, "host" | "port">,
  client: Pick<ApiClient, "resourceNames">,
): Promise<string[]> {
  const [ready, served] = await Promise.allSettled([leading(host, port), client.resourceNames(RESOURCES.quicProxies)]);
  const problems: string[] = [];
  if (ready.status === "rejected") problems.push(`the operator at ${host} port ${port}: ${ready.reason.message}`);
  if (served.status === "rejected") return [...problems, `the API server: ${served.reason.message}`];
  for (const { plural, group, version } of OWN_KINDS) {
    if (!served.value.includes(plural)) problems.push(`the API server serves no ${plural} of ${group}/${version}`);
  }
  return problems;
}

/** Rejects with what the replica says that was reached, where it does not lead or is not ready. */
function leading(host: string, port: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, path: "/leading", agent: false, timeout: ANSWER_WITHIN_MS }, async (response) => {
      let said = "";
      for await (const part of response.setEncoding("utf8")) said += part;
      if (response.statusCode === 200) resolve();
      else reject(new Error(`answers ${response.statusCode}: ${said.trim()}`));
    });
    request.once("timeout", () => request.destroy(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)));
    request.once("error", reject);
  });
}

async function check(flags: CheckFlags): Promise<void> {
  const client = new ApiClient(httpTransport(openEndpoint({ env: process.env })));
  const until = performance.now() + Number(flags.seconds) * 1000;
  for (;;) {
    const problems = await problemsOf(flags, client);
    if (problems.length === 0) {
      console.log(`the operator leads and is ready, and the API server serves ${OWN_KINDS.length} kinds`);
      return;
    }
    if (performance.now() > until) throw new Error(problems.join("\n"));
    await sleep(EVERY_MS);
  }
}

export function registerCheck(program: Command): void {
  program
    .command("check")
    .description("tell whether an installation works: what `helm test` runs")
    .requiredOption("--host <address>", "where the operator serves /leading")
    .option("--port <port>", "and on which port", "8080")
    .option("--seconds <n>", "how long it may take until it works", "60")
    .action(check);
}
