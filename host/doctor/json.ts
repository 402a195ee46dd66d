import type { Report } from "./report.ts";

/** Changes only when a field changes its meaning or goes; new fields may come. */
export const REPORT_FORMAT = "quicproxy.io/doctor-report/v1";

/** One JSON document on one line; docs/doctor.md describes it. What is not known is null. */
export function formatJson(report: Report): string {
  const { note, seconds, kernelRelease, firstLosing, ...others } = report;
  const document = {
    format: REPORT_FORMAT,
    ...others,
    seconds: seconds ?? null,
    kernelRelease: kernelRelease ?? null,
    firstLosing: firstLosing ?? null,
    findings: report.findings.map(({ datagrams, share, ...finding }) => ({
      ...finding,
      datagrams: datagrams ?? null,
      share: share ?? null,
    })),
    witnessed: report.witnessed.map(({ handOff, ...each }) => ({ handOff: handOff ?? null, ...each })),
    ...(note !== undefined && { note }),
  };
  return `${JSON.stringify(document)}\n`;
}
