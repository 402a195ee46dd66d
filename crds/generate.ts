import { writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { renderChartTemplate } from "./chart_template.ts";
import { GROUP, kindDefinitions } from "./definitions.ts";
import { renderReference } from "./reference.ts";

const ROOT = new URL("../", import.meta.url);
const NOTICE = "Generated from crds/*.ts by `make generate`; do not edit.";

/** What the generated files must hold, by path from the repository's root. */
export function renderAll(): Record<string, string> {
  const kinds = kindDefinitions();
  const yamls = kinds.map(({ plural, crd }) => [
    `crds/${GROUP}_${plural}.yaml`,
    // Anchors would save lines, and many tools that read CRDs cannot follow them.
    `# ${NOTICE}\n${stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false })}`,
  ]);
  const templates = kinds.map(({ plural, crd }) => [
    `charts/quicproxy/templates/crds/${plural}.yaml`,
    renderChartTemplate(crd, NOTICE),
  ]);
  return {
    ...Object.fromEntries([...yamls, ...templates]),
    "docs/reference/quicproxy.md": renderReference(kinds, NOTICE),
  };
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(renderAll())) {
    writeFileSync(new URL(path, ROOT), text);
    console.log(`wrote ${path}`);
  }
}
