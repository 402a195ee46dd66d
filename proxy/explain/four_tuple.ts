import { parseIpAddress } from "../../crds/ip_address.ts";
import { parseHostPort } from "../../process/host_port.ts";
import type { Place } from "./datagram.ts";
import { InputError } from "./input_error.ts";

/* udp_path of native/wire/path.h: two IPv6 addresses, two ports, all in network order. */
export const TUPLE_BYTES = 36;
const PORTS = 32;

/** `10.0.0.1:443` or `[2001:db8::1]:443`. Throws InputError. `what` names the value in messages. */
export function parsePlace(text: string, what: string): Place {
  const { address = "", port } = parseHostPort(text.trim()) ?? {};
  const ip = parseIpAddress(address);
  if (!ip || port === undefined) {
    throw new InputError(`${what}: found ${JSON.stringify(text)}; allowed: 192.0.2.1:50000 or [2001:db8::1]:50000`);
  }
  return { address: ip.text, port };
}

/** As the native side hashes it. Throws InputError where the two addresses are of different families. */
export function encodeTuple({ from, to }: { from: Place; to: Place }): Uint8Array {
  const [client, local] = [from, to].map(({ address }) => parseIpAddress(address)!);
  if (client!.family !== local!.family) {
    throw new InputError(`--from and --to: ${from.address} and ${to.address} are of different families; allowed: one`);
  }
  const tuple = new Uint8Array(TUPLE_BYTES);
  tuple.set(mapped(client!), 0);
  tuple.set(mapped(local!), 16);
  const view = new DataView(tuple.buffer);
  view.setUint16(PORTS, from.port);
  view.setUint16(PORTS + 2, to.port);
  return tuple;
}

/** IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
function mapped({ family, octets }: { family: 4 | 6; octets: Uint8Array }): Uint8Array {
  return family === 6 ? octets : Uint8Array.from([...new Array<number>(10).fill(0), 0xff, 0xff, ...octets]);
}
