import { isIPv4, isIPv6 } from "node:net";

/** An IP literal and a port. */
export interface HostPort {
  /** Undefined: every address of this host, of both families or of IPv4 where there is no IPv6. */
  readonly address: string | undefined;
  readonly port: number;
}

const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))?:([0-9]{1,5})$/;
const PORT_MAX = 65_535;

/** `127.0.0.1:9464`, `[::1]:9464`, `:9464`. Undefined where the text is none of these. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, inBrackets, bare, digits] = HOST_PORT.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > PORT_MAX) return undefined;
  if (inBrackets !== undefined) return isIPv6(inBrackets) ? { address: inBrackets, port } : undefined;
  return bare === undefined || isIPv4(bare) ? { address: bare, port } : undefined;
}

/** `0.0.0.0:443`, `[::]:443`; `:443` for every address. */
export function formatAddress(address: string | undefined, port: number): string {
  return address?.includes(":") ? `[${address}]:${port}` : `${address ?? ""}:${port}`;
}
