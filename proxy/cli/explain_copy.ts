import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Plan } from "../apply/plan.ts";
import { InputError } from "../explain/input_error.ts";
import { checkNodeSpec, type NodePlanOptions, planNode } from "../node/plan_node.ts";
import { lastGoodCopy } from "../source/last_good.ts";

const EXTENSION = ".json";

/**
 * What the proxy of a pod has in force, from the last-good copy that it keeps in `directory`.
 * @throws InputError where there is none, or none that can be read.
 */
export async function planOfCopy(directory: string, options: Omit<NodePlanOptions, "namespace">): Promise<Plan> {
  const { namespace, name } = await ownerIn(directory);
  const copy = lastGoodCopy(directory, namespace, name);
  const read = await copy.read().catch((error: Error) => {
    throw new InputError(`${copy.file} cannot be read: ${error.message}`);
  });
  if (read === undefined) throw new InputError(`${copy.file} is gone`);
  const checked = checkNodeSpec(read.spec);
  if ("faults" in checked) throw new InputError(`${copy.file}: ${checked.faults.join("; ")}`);
  const result = await planNode({ spec: checked.spec, set: read.backends }, { ...options, namespace });
  if ("faults" in result) throw new InputError(result.faults.join("\n"));
  return result.plan;
}

/** A pod keeps one copy, <namespace>.<name>.json; a namespace has no dot. */
async function ownerIn(directory: string): Promise<{ namespace: string; name: string }> {
  const files = await readdir(directory).catch((error: Error) => {
    throw new InputError(`--last-good: ${error.message}; allowed: where the proxy of a pod keeps its copy`);
  });
  const [file, ...others] = files.filter((each) => each.endsWith(EXTENSION) && each.includes("."));
  const dot = file?.indexOf(".") ?? -1;
  if (file === undefined || others.length > 0 || dot === file.length - EXTENSION.length) {
    const found = file === undefined ? "no copy: the proxy has nothing in force yet" : "more than one proxy's copy";
    throw new InputError(`${join(directory, `*${EXTENSION}`)}: ${found}; allowed: exactly one, NAMESPACE.NAME.json`);
  }
  return { namespace: file.slice(0, dot), name: file.slice(dot + 1, -EXTENSION.length) };
}
