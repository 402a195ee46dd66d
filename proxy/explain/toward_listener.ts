import { parseIpAddress } from "../../crds/ip_address.ts";
import type { Plan } from "../apply/plan.ts";
import { type Datagram, datagramOf, type Passed } from "./datagram.ts";
import type { Frame } from "./frame.ts";

/** A datagram of a capture that the proxy would receive. */
export interface Arrived extends Datagram {
  readonly number: number;
  readonly cut: boolean;
}

export type Skipped = Passed | "not to a listener" | "beyond the limit";

export interface Arrivals {
  readonly arrived: readonly Arrived[];
  /** How many frames were passed over, by reason. */
  readonly skipped: Readonly<Partial<Record<Skipped, number>>>;
}

/** The datagrams of a capture toward a plan's listeners, `limit` of them at most. Throws InputError for a damaged file. */
export function towardListener(frames: Iterable<Frame>, plan: Plan, limit: number): Arrivals {
  const arrived: Arrived[] = [];
  const skipped: Partial<Record<Skipped, number>> = {};
  for (const frame of frames) {
    const found = arrival(frame, plan);
    if (typeof found === "string") skipped[found] = (skipped[found] ?? 0) + 1;
    else if (arrived.length < limit) arrived.push(found);
    else skipped["beyond the limit"] = (skipped["beyond the limit"] ?? 0) + 1;
  }
  return { arrived, skipped };
}

function arrival(frame: Frame, { endpoints }: Plan): Arrived | Skipped {
  const datagram = datagramOf(frame);
  if (typeof datagram === "string") return datagram;
  const { to } = datagram;
  const ip = parseIpAddress(to.address)!;
  const listens = endpoints.some(({ address, port }) => {
    const bound = parseIpAddress(address)!;
    const any = bound.octets.every((octet) => octet === 0);
    return port === to.port && bound.family === ip.family && (any || bound.text === ip.text);
  });
  return listens ? { ...datagram, number: frame.number, cut: frame.cut } : "not to a listener";
}
