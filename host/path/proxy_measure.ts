/*
 * What a running proxy adds to the readings of its host: its own hand-offs (6, 7 and 9). Differences over the window, in
 * datagrams. The kernel knows nothing of them.
 */

export interface ProxyMeasure {
  /** Datagrams that its workers took from clients. */
  readonly received: number;
  /** Datagrams that the kernel took from it toward backends. */
  readonly forwarded: number;
  /** Hand-off 6: between the receiving and the forwarding thread of a worker. */
  readonly ringFull: number;
  /** Hand-off 7, by cause. */
  readonly refused: {
    /** Beyond dataPlane.newFlowsPerSecond. */
    readonly budget: number;
    /** No room in the table of flows. */
    readonly tableFull: number;
    /** No upstream port or socket toward the backend. */
    readonly noPort: number;
    /** None takes new connections. */
    readonly noBackend: number;
  };
  /** Hand-off 9. */
  readonly backends: readonly BackendMeasure[];
}

export interface BackendMeasure {
  /** Address and port, as the manifest writes them. */
  readonly name: string;
  readonly sent: number;
  readonly answered: number;
  /** ICMP port or host unreachable that came from it. */
  readonly refused: number;
}
