import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { InvalidArgumentError } from "commander";
import { formatAddress, type HostPort, parseHostPort } from "../../process/host_port.ts";
import type { CountersReport } from "../metrics/report.ts";

const TIMEOUT_MS = 2000;

/** Where a proxy serves its metrics. */
export function parseAddress(text: string): HostPort {
  const address = parseHostPort(text);
  if (!address) throw new InvalidArgumentError("Allowed: ADDR:PORT, such as 127.0.0.1:9464, [::1]:9464 or :9464.");
  return address.address === "0.0.0.0" ? { ...address, address: "127.0.0.1" } : address;
}

export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

function explainFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "nothing listens there; is the proxy running, with its metrics on this address?";
  if (code === "ABORT_ERR") return `no answer within ${TIMEOUT_MS} ms`;
  return error.message;
}

/** Not fetch: that refuses the ports of a list of old protocols, on any of which a proxy may serve its metrics. */
async function getText({ address, port }: HostPort): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const request = get({ host: address, port, path: "/counters", signal });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}: ${body.trim()}`);
  return body;
}

function parseReport(body: string): CountersReport | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null) return undefined;
    return ["totals", "workers", "load", "backends", "endpoints", "status"].every((key) => key in value)
      ? (value as CountersReport)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Reads /counters of a proxy. Throws UnreachableError with the reason in its message. */
export async function fetchReport(address: HostPort): Promise<CountersReport> {
  const where = formatAddress(address.address, address.port);
  let body: string;
  try {
    body = await getText(address);
  } catch (error) {
    throw new UnreachableError(`no quicproxy answers on ${where}: ${explainFailure(error)}`, { cause: error });
  }
  const report = parseReport(body);
  if (!report) throw new UnreachableError(`what answers on ${where} is not quicproxy, or of another version`);
  return report;
}
