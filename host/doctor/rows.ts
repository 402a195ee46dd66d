import { HAND_OFFS, type HandOffId } from "../path/hand_offs.ts";
import type { Measures } from "../path/measures.ts";
import type { Finding } from "../verdict/finding.ts";
import type { Row, RowState } from "./report.ts";
import type { Unseen } from "./unseen.ts";

/** The whole path, hand-off by hand-off. */
export function rowsOf(measures: Measures, findings: readonly Finding[], unseen: Map<HandOffId, Unseen>): Row[] {
  return HAND_OFFS.map(({ id, name }) => {
    const here = findings.filter(({ handOff }) => handOff === id);
    const restarted = measures.restarted.filter(({ handOff }) => handOff === id).map(({ what }) => what);
    const lost = here.reduce((sum, { severity, datagrams }) => sum + (severity === "loss" ? (datagrams ?? 0) : 0), 0);
    return { handOff: id, name, lost, ...stateOf(here, restarted, unseen.get(id)) };
  });
}

function stateOf(
  here: readonly Finding[],
  restarted: readonly string[],
  unseen: Unseen | undefined,
): { state: RowState; why: string } {
  const namesOf = (severities: readonly Finding["severity"][]): string =>
    [...new Set(here.filter(({ severity }) => severities.includes(severity)).map(({ verdict }) => verdict))].join(", ");
  const losing = namesOf(["loss"]);
  if (losing !== "") return { state: "losing", why: losing };
  if (restarted.length > 0) return { state: "restarted", why: shortened(restarted) };
  const signs = namesOf(["possible", "warning"]);
  if (signs !== "") return { state: "warning", why: signs };
  if (unseen !== undefined) return { state: unseen.state, why: unseen.why };
  return { state: "clean", why: namesOf(["other"]) };
}

const shortened = (what: readonly string[]): string =>
  what.length <= 2 ? what.join(", ") : `${what.slice(0, 2).join(", ")} and ${what.length - 2} more`;
