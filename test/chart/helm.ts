import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { kubernetesVersion, programPath } from "../cluster/binaries.ts";

export const chart = resolve(import.meta.dirname, "../../charts/quicproxy");
export const namespace = "quicproxy-system";

export const helms = { "Helm 4": programPath("helm"), "Helm 3": programPath("helm3") } as const;
export type Helm = keyof typeof helms;

export type Values = Readonly<Record<string, unknown>>;

export interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: Record<string, unknown>;
  rules?: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[];
}

export interface Outcome {
  status: number | null;
  /** What it wrote to both outputs. */
  said: string;
}

/** Runs `helm <verb> <args>` with these values, which it reads from a file. */
export function helm(version: Helm, args: readonly string[], values: Values): Outcome {
  const directory = mkdtempSync(join(tmpdir(), "quicproxy-chart-"));
  try {
    const file = join(directory, "values.json");
    writeFileSync(file, JSON.stringify(values));
    const { status, stdout, stderr } = spawnSync(helms[version], [...args, "--values", file], { encoding: "utf8" });
    return { status, said: status === 0 ? stdout : `${stdout}${stderr}` };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What the chart makes with these values. Throws what helm says where it fails. */
export function render(
  version: Helm,
  values: Values = {},
  release = "quicproxy",
  /** Kinds that the cluster serves beside its own, as `group/version/Kind`. */
  served: readonly string[] = [],
): Rendered[] {
  // Without a cluster, helm would guess its version.
  const place = [release, chart, "--namespace", namespace, "--kube-version", kubernetesVersion];
  const args = ["template", ...place, ...served.flatMap((kind) => ["--api-versions", kind])];
  const { status, said } = helm(version, args, values);
  if (status !== 0) throw new Error(said);
  return parseAllDocuments(said).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return (document.toJS() as Rendered | null) ?? [];
  });
}

/** The one object of a kind and name. */
export function find(objects: readonly Rendered[], kind: string, name?: string): Rendered {
  const found = objects.filter((each) => each.kind === kind && (name === undefined || each.metadata.name === name));
  if (found.length !== 1) throw new Error(`${found.length} objects ${kind} ${name ?? ""}`);
  return found[0]!;
}
