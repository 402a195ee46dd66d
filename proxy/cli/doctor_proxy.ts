import type { ProxyMeasure } from "../../host/reading/proxy_measure.ts";
import { formatAddress, type HostPort } from "../../process/host_port.ts";
import { proxyMeasure } from "../metrics/proxy_measure.ts";
import { fetchReport, UnreachableError } from "./top_client.ts";

/**
 * Begins to count what the proxy does that serves its metrics at `address`; what it answers with ends that. A proxy that goes
 * or starts anew meanwhile is said, and nothing is known of it. Throws UnreachableError where none is there.
 */
export async function proxyWithin(
  address: HostPort,
  say: (text: string) => void,
): Promise<() => Promise<ProxyMeasure | undefined>> {
  const before = await fetchReport(address);
  return async () => {
    try {
      const measure = proxyMeasure(before, await fetchReport(address));
      if (measure === undefined) {
        const where = formatAddress(address.address, address.port);
        say(`the proxy on ${where} was started anew within the window: its own hand-offs are not told`);
      }
      return measure;
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      say(`${error.message}: its own hand-offs are not told`);
      return undefined;
    }
  };
}
