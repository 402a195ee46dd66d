import { z } from "zod";

/*
 * What a running proxy adds to the readings of its host: its own hand-offs (6, 7 and 9). Differences over the window, in
 * datagrams. The kernel knows nothing of them.
 */

const BACKENDS_MAX = 16_384;
const datagrams = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const backendMeasure = z.object({
  /** Address and port, as the manifest writes them. */
  name: z.string().regex(/^[0-9A-Fa-f.:[\]]{3,64}$/),
  sent: datagrams,
  answered: datagrams,
  /** ICMP port or host unreachable that came from it. */
  refused: datagrams,
});

const measureShape = z.object({
  /** Datagrams that its workers took from clients. */
  received: datagrams,
  /** Datagrams that the kernel took from it toward backends. */
  forwarded: datagrams,
  /** Hand-off 6: between the receiving and the forwarding thread of a worker. */
  ringFull: datagrams,
  /** Hand-off 7, by cause. */
  refused: z.object({
    /** Beyond dataPlane.newFlowsPerSecond. */
    budget: datagrams,
    /** No room in the table of flows. */
    tableFull: datagrams,
    /** No upstream port or socket toward the backend. */
    noPort: datagrams,
    /** None takes new connections. */
    noBackend: datagrams,
  }),
  /** Hand-off 9. */
  backends: z.array(backendMeasure).max(BACKENDS_MAX),
});

export type ProxyMeasure = Readonly<z.output<typeof measureShape>>;
export type BackendMeasure = Readonly<z.output<typeof backendMeasure>>;

/** Throws Error naming the field. */
export function parseProxyMeasure(value: unknown): ProxyMeasure {
  const parsed = measureShape.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new Error(`proxy${path.map((part) => `.${String(part)}`).join("")}: ${message}`);
}
