import type { OpenProbeSocket, ProbeSender, ProbeSocketEvents } from "../../../../proxy/health/probe_socket.ts";

export interface SentProbe {
  to: ProbeSender;
  datagram: Uint8Array;
  family: 4 | 6;
}

/** Version Negotiation of a server that speaks version 1. */
export function answerTo(probe: Uint8Array): Uint8Array {
  const dcid = probe.subarray(6, 14);
  const scid = probe.subarray(15, 23);
  return Uint8Array.from([0x80, 0, 0, 0, 0, 8, ...scid, 8, ...dcid, 0, 0, 0, 1]);
}

/** A network that keeps what is sent and lets a test answer. */
export class FakeProbeNetwork {
  sent: SentProbe[] = [];
  readonly open = new Set<4 | 6>();
  sendError: NodeJS.ErrnoException | null = null;
  openError: Error | undefined;
  readonly #events = new Map<4 | 6, ProbeSocketEvents>();

  openSocket: OpenProbeSocket = (family, events) => {
    if (this.openError) throw this.openError;
    this.open.add(family);
    this.#events.set(family, events);
    return {
      send: (datagram, { address, port }, done) => {
        this.sent.push({ to: { address, port }, datagram, family });
        done(this.sendError);
      },
      close: () => void this.open.delete(family),
    };
  };

  take(): SentProbe[] {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  deliver(datagram: Uint8Array, from: ProbeSender, family: 4 | 6 = 4): void {
    this.#events.get(family)!.onDatagram(datagram, from);
  }

  answer({ datagram, to, family }: SentProbe): void {
    this.deliver(answerTo(datagram), to, family);
  }

  fail(family: 4 | 6, message: string): void {
    this.open.delete(family);
    this.#events.get(family)!.onError(new Error(message));
  }
}

/** Random octets that never repeat. */
export function countingOctets(): (count: number) => Uint8Array {
  let next = 0;
  return (count) => {
    const octets = Buffer.alloc(count);
    octets.writeUInt32BE(++next, count - 4);
    octets.writeUInt32BE(next, 5);
    return octets;
  };
}
