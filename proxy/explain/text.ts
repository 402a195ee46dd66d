import { formatAddress } from "../../process/host_port.ts";
import type { Answer, BackendAnswer } from "./answer.ts";

const VERSIONS: Readonly<Record<string, string>> = {
  "0x00000000": "Version Negotiation",
  "0x00000001": "QUIC v1",
  "0x6b3343cf": "QUIC v2",
};

/** An answer for people, several lines without an end of line after the last. */
export function formatAnswer(answer: Answer): string {
  const { from, to, rule, backend, why, onceGone } = answer;
  return [
    `${formName(answer)}, ${answer.octets} octets${from === undefined ? "" : `, ${from} to ${to}`}`,
    ...connectionIds(answer),
    `rule: ${rule}`,
    ...why.map((line) => `  ${line}`),
    `backend: ${backendName(backend, rule === "none" ? "none" : "unknown")}`,
    `once it is gone: ${backendName(onceGone.backend, "")}${onceGone.backend ? "; " : ""}${onceGone.why}`,
  ].join("\n");
}

function formName({ form, version }: Answer): string {
  if (form === "short") return "short header";
  if (form !== "long") return form === "empty" ? "empty" : "no QUIC header";
  return `long header, ${VERSIONS[version!] ?? "version"} ${version}`;
}

function connectionIds({ dcid, scid }: Answer): string[] {
  return dcid === undefined ? [] : [`destination ID ${dcid || "empty"}, source ID ${scid || "empty"}`];
}

function backendName(backend: BackendAnswer | undefined, none: string): string {
  if (!backend) return none;
  const name = formatAddress(backend.address, backend.port);
  return backend.weight === 0 ? `${name}, weight 0: it gets no flow by fallback` : `${name}, weight ${backend.weight}`;
}
