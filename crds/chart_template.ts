import { stringify } from "yaml";

/**
 * A CustomResourceDefinition as a template of the Helm chart. Helm never upgrades what lies in a chart's crds/ folder, so
 * CRDs are templates, which it upgrades with the rest; the policy keeps it from deleting them, and all objects with them.
 * @param crd its metadata must be a name alone.
 */
export function renderChartTemplate(crd: { metadata: { name: string } }, notice: string): string {
  const { name } = crd.metadata;
  const text = stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false });
  if (text.includes("{{")) throw new Error(`CRD ${name}: its text would be taken for a template's`);
  const metadata = `metadata:\n  name: ${name}\n`;
  if (!text.includes(metadata)) throw new Error(`CRD ${name}: metadata holds more than a name`);
  return `{{- /* ${notice} */ -}}
{{- if .Values.crds.install }}
${text.replace(metadata, `${metadata}${ADDED}`)}{{- end }}
`;
}

const ADDED = `  labels: {{- include "quicproxy.labels" . | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations: { helm.sh/resource-policy: keep }
  {{- end }}
`;
