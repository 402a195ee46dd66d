import { formatAddress } from "../apply/errors.ts";
import type { CountersReport } from "../metrics/report.ts";
import type { HttpAddress } from "../metrics/server.ts";

const TIMEOUT_MS = 2000;

export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

function explainFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED")
    return "nothing listens there; is the proxy running, and with --metrics on this address?";
  if (error.name === "TimeoutError") return `no answer within ${TIMEOUT_MS} ms`;
  return code ?? error.message;
}

function isReport(value: unknown): value is CountersReport {
  return typeof value === "object" && value !== null && "totals" in value && "workers" in value && "backends" in value;
}

/** Reads /counters of a proxy. Throws UnreachableError with the reason in its message. */
export async function fetchReport({ address, port }: HttpAddress): Promise<CountersReport> {
  const where = formatAddress(address, port);
  let body: unknown;
  try {
    const response = await fetch(`http://${where}/counters`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`HTTP ${response.status}: ${(await response.text()).trim()}`);
    body = await response.json();
  } catch (error) {
    throw new UnreachableError(`no quicproxy answers on ${where}: ${explainFailure(error)}`, { cause: error });
  }
  if (!isReport(body)) throw new UnreachableError(`what answers on ${where} is not quicproxy`);
  return body;
}
