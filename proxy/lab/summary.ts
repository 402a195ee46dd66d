import Table from "cli-table3";
import { COUNTERS } from "../counters/names.generated.ts";
import type { CountersReport } from "../metrics/report.ts";
import type { ScenarioResult } from "./scenario.ts";
import { findDrops } from "./verdict.ts";

/** The tables at the end of the demo. */
export function renderSummary(result: ScenarioResult, backendNames: ReadonlyMap<string, string>): string {
  return [backendTable(result, backendNames), stageTable(result.counters), dropLine(result.counters)].join("\n");
}

const right = "right" as const;
const noLine = { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" };
const plain = { style: { head: [], border: [] }, chars: noLine };

function backendTable({ downloads, roaming, counters }: ScenarioResult, names: ReadonlyMap<string, string>): string {
  const table = new Table({
    ...plain,
    head: ["backend", "connections", "of them roaming", "flows", "datagrams in", "out", "MB in", "MB out"],
    colAligns: ["left", right, right, right, right, right, right, right],
  });
  const all = [...downloads, ...roaming.map(({ download }) => download)];
  const nameOf = ({ address }: { address: string }): string => names.get(address) ?? address;
  for (const backend of counters.backends.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)))) {
    const name = nameOf(backend);
    table.push([
      `${name} (${backend.address})`,
      count(all.filter((download) => download.backend === name).length),
      count(roaming.filter(({ download }) => download.backend === name).length),
      count(backend.flowsCreated),
      count(backend.forwarded),
      count(backend.returned),
      megabytes(backend.forwardedBytes),
      megabytes(backend.returnedBytes),
    ]);
  }
  return table.toString();
}

/** Entries and outcomes in the order in which a datagram meets them; outcomes that never happened are left out. */
function stageTable({ totals }: CountersReport): string {
  const table = new Table({ ...plain, head: ["stage", "outcome", "datagrams"], colAligns: ["left", "left", right] });
  let last = "";
  for (const { name, stage, outcome, kind } of COUNTERS) {
    if (kind === "Event" || (totals[name] === 0 && outcome !== "sent")) continue;
    table.push([stage === last ? "" : stage, outcome, count(totals[name])]);
    last = stage;
  }
  return table.toString();
}

function dropLine(counters: CountersReport): string {
  const drops = findDrops(counters);
  if (drops.length === 0) return "dropped: nothing, anywhere";
  return `dropped: ${drops.map(({ where, datagrams }) => `${count(datagrams)} ${where}`).join(", ")}`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
