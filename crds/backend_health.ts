import { choice, duration, integer, mapping } from "./fields.ts";

/* The part of a QuicProxy that says how backends are found to be down, and what follows from it. */

const active = mapping({
  mode: choice(["Enabled", "Disabled"])
    .default("Disabled")
    .describe(
      "Enabled: each backend is sent a datagram with a reserved QUIC version, which a QUIC server answers with Version " +
        "Negotiation. Disabled: the proxy sends nothing that no client sent.",
    ),
  interval: duration("100ms", "1h")
    .default("5s")
    .describe("From one probe of a backend to the next, 100ms to 1h; never shorter than the timeout."),
  timeout: duration("10ms", "60s").default("1s").describe("How long an answer may take, 10ms to 60s."),
  unhealthyThreshold: integer(1, 100)
    .default(3)
    .describe("Probes in a row without answer that make a backend unhealthy, 1 to 100."),
  healthyThreshold: integer(1, 100)
    .default(2)
    .describe("Answered probes in a row that make a backend healthy again, 1 to 100."),
});

const passive = mapping({
  mode: choice(["Enabled", "Disabled"])
    .default("Enabled")
    .describe("Enabled: the traffic of clients tells. Disabled: it does not."),
  window: duration("2s", "10m").default("10s").describe("Time that is looked at, up to now, 2s to 10m."),
  minFlows: integer(1, 1_000_000)
    .default(5)
    .describe("Flows that must have begun in the window before silence counts, 1 to 1000000."),
  minDatagrams: integer(1, 1_000_000_000)
    .default(20)
    .describe("Datagrams that must have been forwarded in the window before silence counts, 1 to 1000000000."),
  replyPercent: integer(0, 50)
    .default(0)
    .describe("Silence: at most this many datagrams back for 100 forwarded ones, 0 to 50. 0: not a single one."),
  refusals: integer(1, 1_000_000)
    .default(3)
    .describe(
      "ICMP port or host unreachable in the window, with no datagram back, that make a backend unhealthy, 1 to 1000000.",
    ),
});

export const backendHealth = mapping({
  active: active.prefault({}).describe("Probes sent to the backends."),
  passive: passive.prefault({}).describe("What the traffic itself tells."),
  backoff: duration("1s", "1h")
    .default("30s")
    .describe(
      "How long a backend whose traffic showed it down gets no new flow the first time, 1s to 1h; doubled each time it " +
        "fails again soon. Answered probes or replies end it, the first time at once, later after half of it. Without " +
        "either it is then on trial, with a sixteenth of its weight.",
    ),
  maxBackoff: duration("1s", "24h")
    .default("5m")
    .describe("Longest such time, and longest trial, 1s to 24h; never shorter than backoff."),
  panicThreshold: integer(0, 100)
    .default(50)
    .describe(
      "Percent of the backends that must be healthy, 0 to 100. With fewer, or none, all are treated as healthy.",
    ),
});

export type BackendHealthSpec = ReturnType<(typeof backendHealth)["parse"]>;
