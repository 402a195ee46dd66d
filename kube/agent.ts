import { Agent, type AgentOptions } from "node:https";
import { isDeepStrictEqual } from "node:util";

/** What the API server is verified with, and what the client shows of itself. */
export type TlsMaterial = Pick<AgentOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;

/**
 * Keeps connections for further requests, and opens no more of them on material that has been replaced. Those of before are
 * used up: an agent does not change, and the API server closes what is at rest.
 */
export function agentOfMaterial(): (material: TlsMaterial) => Agent {
  let current: { readonly material: TlsMaterial; readonly agent: Agent } | undefined;
  return (material) => {
    if (current === undefined || !isDeepStrictEqual(material, current.material)) {
      current = { material, agent: new Agent({ ...material, keepAlive: true }) };
    }
    return current.agent;
  };
}
