// Generated from native/abi/counters.def and counters.h by `make generate`; do not edit.

export const COUNTERS_MAGIC = 1129336913;
export const COUNTERS_VERSION = 2;

/** Every counter of a worker's block, in memory order. */
export const COUNTERS = [
  {
    name: "receive_datagrams",
    stage: "receive",
    outcome: "datagrams",
    kind: "Entry",
    help: "Datagrams received from clients",
  },
  {
    name: "receive_bytes",
    stage: "receive",
    outcome: "bytes",
    kind: "Event",
    help: "UDP payload bytes received from clients",
  },
  {
    name: "receive_batches",
    stage: "receive",
    outcome: "batches",
    kind: "Event",
    help: "Receive calls on listening sockets that returned at least one datagram",
  },
  {
    name: "receive_trains",
    stage: "receive",
    outcome: "trains",
    kind: "Event",
    help:
      "Trains received from clients: several datagrams of one 4-tuple that the kernel handed over as one message (UDP_GRO)",
  },
  {
    name: "receive_icmp_errors",
    stage: "receive",
    outcome: "icmp_errors",
    kind: "Event",
    help: "ICMP errors about datagrams toward clients, as they came to the listening sockets; everybody can send them",
  },
  {
    name: "steer_path",
    stage: "steer",
    outcome: "path",
    kind: "Event",
    help:
      "Messages that the steering program gave to the worker that keeps their 4-tuple; all steer counters stand with worker 0",
  },
  {
    name: "steer_connection_id",
    stage: "steer",
    outcome: "connection_id",
    kind: "Event",
    help: "Messages that the steering program gave to the worker that learned their Connection ID",
  },
  {
    name: "steer_unknown",
    stage: "steer",
    outcome: "unknown",
    kind: "Event",
    help: "Messages that the steering program left to the kernel's hash of the 4-tuple: no map knew them",
  },
  {
    name: "steer_unreadable",
    stage: "steer",
    outcome: "unreadable",
    kind: "Event",
    help: "Messages left to the kernel's hash because they are empty or their header is cut short",
  },
  {
    name: "steer_no_socket",
    stage: "steer",
    outcome: "no_socket",
    kind: "Event",
    help: "Messages left to the kernel's hash because the worker that was found listens no more",
  },
  {
    name: "hand_off_dropped_ring_full",
    stage: "hand_off",
    outcome: "dropped_ring_full",
    kind: "Outcome",
    help:
      "Dropped between the receiving and the forwarding thread of a worker (mode Decoupled): the worker was busy and the ring of 1,024 messages full; all others go on to the stage parse",
  },
  {
    name: "parse_long_header",
    stage: "parse",
    outcome: "long_header",
    kind: "Outcome",
    help: "Datagrams that start with a QUIC long header (RFC 8999 section 5.1)",
  },
  {
    name: "parse_short_header",
    stage: "parse",
    outcome: "short_header",
    kind: "Outcome",
    help: "Datagrams that start with a QUIC short header (RFC 8999 section 5.2)",
  },
  {
    name: "parse_malformed",
    stage: "parse",
    outcome: "malformed",
    kind: "Outcome",
    help: "Datagrams whose long header is cut short; routed by 4-tuple",
  },
  {
    name: "parse_empty",
    stage: "parse",
    outcome: "empty",
    kind: "Outcome",
    help: "Datagrams without payload; routed by 4-tuple",
  },
  {
    name: "route_quic_lb",
    stage: "route",
    outcome: "quic_lb",
    kind: "Outcome",
    help: "Routed by the server ID in a routable Connection ID (QUIC-LB)",
  },
  {
    name: "route_four_tuple_scid",
    stage: "route",
    outcome: "four_tuple_scid",
    kind: "Outcome",
    help: "Routed by the table of 4-tuple and source Connection ID (long headers)",
  },
  {
    name: "route_dcid",
    stage: "route",
    outcome: "dcid",
    kind: "Outcome",
    help: "Routed by the table of destination Connection IDs",
  },
  {
    name: "route_four_tuple",
    stage: "route",
    outcome: "four_tuple",
    kind: "Outcome",
    help: "Routed by the table of 4-tuples",
  },
  {
    name: "route_fallback",
    stage: "route",
    outcome: "fallback",
    kind: "Outcome",
    help: "Routed by the consistent hash (Maglev), for want of any state",
  },
  {
    name: "route_dropped_no_backend",
    stage: "route",
    outcome: "dropped_no_backend",
    kind: "Outcome",
    help: "Dropped: no backend takes new connections; all have weight 0, or none is named",
  },
  {
    name: "route_dropped_no_socket",
    stage: "route",
    outcome: "dropped_no_socket",
    kind: "Outcome",
    help:
      "Dropped: a new flow was refused because every upstream socket or port toward its backend is a confirmed flow's, or its socket failed (flow_socket_error)",
  },
  {
    name: "route_dropped_table_full",
    stage: "route",
    outcome: "dropped_table_full",
    kind: "Outcome",
    help:
      "Dropped: a new flow was refused because every flow of the table is confirmed, or its 4-tuple has flows to 16 backends",
  },
  {
    name: "route_dropped_budget",
    stage: "route",
    outcome: "dropped_budget",
    kind: "Outcome",
    help:
      "Dropped: a new flow beyond dataPlane.newFlowsPerSecond of its worker; strangers, connections that moved and looks into other workers' tables have budgets of their own",
  },
  {
    name: "route_dropped_hop_limit",
    stage: "route",
    outcome: "dropped_hop_limit",
    kind: "Outcome",
    help: "Dropped: the hop limit ends here; a loop of forwarders comes to its end this way",
  },
  {
    name: "route_dropped_source",
    stage: "route",
    outcome: "dropped_source",
    kind: "Outcome",
    help:
      "Dropped: the source is no client: port 0, a backend or a listener of ours, with whom the datagram would go round in circles, or a new flow from a port that attackers reflect from (RFC 9308 section 8.1)",
  },
  {
    name: "route_dropped_not_unicast",
    stage: "route",
    outcome: "dropped_not_unicast",
    kind: "Outcome",
    help: "Dropped: sent to a broadcast or multicast address, of which every worker gets a copy",
  },
  {
    name: "forward_sent",
    stage: "forward",
    outcome: "sent",
    kind: "Outcome",
    help:
      "Datagrams toward a backend that the kernel took and of which it told no drop; queue disciplines that drop others than the newest (fq_codel, cake, red), or parts of a train (tbf), do not tell",
  },
  {
    name: "forward_dropped_too_big",
    stage: "forward",
    outcome: "dropped_too_big",
    kind: "Outcome",
    help: "Dropped toward the backend: larger than the path MTU; QUIC forbids fragments (RFC 9000 section 14)",
  },
  {
    name: "forward_dropped_buffer_full",
    stage: "forward",
    outcome: "dropped_buffer_full",
    kind: "Outcome",
    help:
      "Dropped toward the backend: the socket's send buffer is full (EAGAIN; all that follows of the round is dropped with it), or a device's queue (ENOBUFS; what follows at once of the flow is)",
  },
  {
    name: "forward_dropped_unreachable",
    stage: "forward",
    outcome: "dropped_unreachable",
    kind: "Outcome",
    help: "Dropped toward the backend: no route, host down, or refused by ICMP",
  },
  {
    name: "forward_dropped_error",
    stage: "forward",
    outcome: "dropped_error",
    kind: "Outcome",
    help: "Dropped toward the backend: any other error of the kernel",
  },
  {
    name: "forward_bytes",
    stage: "forward",
    outcome: "bytes",
    kind: "Event",
    help: "UDP payload bytes handed to the kernel toward backends",
  },
  {
    name: "forward_calls",
    stage: "forward",
    outcome: "calls",
    kind: "Event",
    help: "Send calls toward backends",
  },
  {
    name: "forward_trains",
    stage: "forward",
    outcome: "trains",
    kind: "Event",
    help: "Trains handed to the kernel toward a backend: several datagrams of one flow in one message (UDP_SEGMENT)",
  },
  {
    name: "forward_trains_refused",
    stage: "forward",
    outcome: "trains_refused",
    kind: "Event",
    help:
      "Trains toward a backend that the kernel refused, longer than the path MTU or no offload; their datagrams were tried one by one",
  },
  {
    name: "return_received",
    stage: "return",
    outcome: "received",
    kind: "Entry",
    help: "Datagrams received from backends",
  },
  {
    name: "return_received_bytes",
    stage: "return",
    outcome: "received_bytes",
    kind: "Event",
    help: "UDP payload bytes received from backends",
  },
  {
    name: "return_received_trains",
    stage: "return",
    outcome: "received_trains",
    kind: "Event",
    help: "Trains received from backends: several datagrams that the kernel handed over as one message (UDP_GRO)",
  },
  {
    name: "return_kernel_drops",
    stage: "return",
    outcome: "kernel_drops",
    kind: "Event",
    help:
      "Datagrams from backends that the kernel dropped because the receive buffer of an upstream socket was full; they are in no other counter",
  },
  {
    name: "return_sent",
    stage: "return",
    outcome: "sent",
    kind: "Outcome",
    help:
      "Datagrams toward a client that the kernel took and of which it told no drop; see forward_sent for what it does not tell",
  },
  {
    name: "return_dropped_no_flow",
    stage: "return",
    outcome: "dropped_no_flow",
    kind: "Outcome",
    help: "Dropped toward the client: the flow that had the upstream port is gone",
  },
  {
    name: "return_dropped_unconfirmed",
    stage: "return",
    outcome: "dropped_unconfirmed",
    kind: "Outcome",
    help:
      "Dropped toward the client: more than 3,600 octets and three times what came from an address that a connection moved to and that has not shown yet to receive (RFC 9000 section 8)",
  },
  {
    name: "return_dropped_too_big",
    stage: "return",
    outcome: "dropped_too_big",
    kind: "Outcome",
    help: "Dropped toward the client: larger than the path MTU",
  },
  {
    name: "return_dropped_buffer_full",
    stage: "return",
    outcome: "dropped_buffer_full",
    kind: "Outcome",
    help:
      "Dropped toward the client: the socket's send buffer is full (EAGAIN; all that follows of the round is dropped with it), or a device's queue (ENOBUFS; what follows at once of the flow is)",
  },
  {
    name: "return_dropped_unreachable",
    stage: "return",
    outcome: "dropped_unreachable",
    kind: "Outcome",
    help: "Dropped toward the client: no route or host down",
  },
  {
    name: "return_dropped_error",
    stage: "return",
    outcome: "dropped_error",
    kind: "Outcome",
    help: "Dropped toward the client: any other error of the kernel",
  },
  {
    name: "return_bytes",
    stage: "return",
    outcome: "bytes",
    kind: "Event",
    help: "UDP payload bytes handed to the kernel toward clients",
  },
  {
    name: "return_calls",
    stage: "return",
    outcome: "calls",
    kind: "Event",
    help: "Send calls toward clients",
  },
  {
    name: "return_trains",
    stage: "return",
    outcome: "trains",
    kind: "Event",
    help: "Trains handed to the kernel toward a client: several datagrams of one flow in one message (UDP_SEGMENT)",
  },
  {
    name: "return_trains_refused",
    stage: "return",
    outcome: "trains_refused",
    kind: "Event",
    help:
      "Trains toward a client that the kernel refused, longer than the path MTU or no offload; their datagrams were tried one by one",
  },
  {
    name: "return_backend_refused",
    stage: "return",
    outcome: "backend_refused",
    kind: "Event",
    help: "ICMP port or host unreachable received from a backend",
  },
  {
    name: "return_path_too_big",
    stage: "return",
    outcome: "path_too_big",
    kind: "Event",
    help: "ICMP packet too big (fragmentation needed) received for a datagram toward a backend",
  },
  {
    name: "return_icmp_unmatched",
    stage: "return",
    outcome: "icmp_unmatched",
    kind: "Event",
    help:
      "ICMP errors about a backend that quote no datagram that was sent lately: forged, too late, or cut too short to tell; they count for nothing else",
  },
  {
    name: "return_icmp_lost",
    stage: "return",
    outcome: "icmp_lost",
    kind: "Event",
    help:
      "ICMP errors that the kernel dropped because the buffer of the socket for them was full (upstream level RawSend)",
  },
  {
    name: "flow_created",
    stage: "flow",
    outcome: "created",
    kind: "Event",
    help: "Flows created: one per client 4-tuple and backend",
  },
  {
    name: "flow_expired",
    stage: "flow",
    outcome: "expired",
    kind: "Event",
    help: "Flows removed after the idle timeout",
  },
  {
    name: "flow_confirmed",
    stage: "flow",
    outcome: "confirmed",
    kind: "Event",
    help:
      "Flows whose client has shown that it receives: by an ID that its backend chose, or by going on after answers for seconds; nothing evicts them any more",
  },
  {
    name: "flow_evicted",
    stage: "flow",
    outcome: "evicted",
    kind: "Event",
    help: "Flows that nobody had confirmed and that gave way to a new flow, the one without progress for longest first",
  },
  {
    name: "flow_found_elsewhere",
    stage: "flow",
    outcome: "found_elsewhere",
    kind: "Event",
    help:
      "Flows created for a 4-tuple that another worker had: the number of workers changed. Where the upstream level can, they send from that flow's port",
  },
  {
    name: "flow_readdressed",
    stage: "flow",
    outcome: "readdressed",
    kind: "Event",
    help: "Flows created for a learned Connection ID or a routable one that came from a new client address",
  },
  {
    name: "flow_moved_source",
    stage: "flow",
    outcome: "moved_source",
    kind: "Event",
    help:
      "Flows that went on from another source address and port: theirs left this host, the route now prefers another, or the port is wanted elsewhere; the backend sees a new path of the connection",
  },
  {
    name: "flow_no_source_port",
    stage: "flow",
    outcome: "no_source_port",
    kind: "Event",
    help:
      "Times that a flow found every source port toward its backend taken, or this process or host out of ports or descriptors; a flow that nobody confirmed gives way (flow_evicted) or the new one is refused (route_dropped_no_socket)",
  },
  {
    name: "flow_socket_error",
    stage: "flow",
    outcome: "socket_error",
    kind: "Event",
    help: "Upstream sockets that could not be opened, for want of a route or of descriptors",
  },
  {
    name: "sample_events",
    stage: "sample",
    outcome: "events",
    kind: "Event",
    help: "Datagrams of sampled connections that were noted for the log",
  },
  {
    name: "sample_lost",
    stage: "sample",
    outcome: "lost",
    kind: "Event",
    help: "Datagrams of sampled connections that found the ring of notes full",
  },
  {
    name: "cid_no_config",
    stage: "cid",
    outcome: "no_config",
    kind: "Event",
    help: "Connection IDs whose config rotation bits name no live QUIC-LB config",
  },
  {
    name: "cid_too_short",
    stage: "cid",
    outcome: "too_short",
    kind: "Event",
    help: "Connection IDs too short for the QUIC-LB config that their rotation bits name",
  },
  {
    name: "cid_unknown_server",
    stage: "cid",
    outcome: "unknown_server",
    kind: "Event",
    help: "Connection IDs whose QUIC-LB server ID belongs to no backend",
  },
  {
    name: "cid_learned",
    stage: "cid",
    outcome: "learned",
    kind: "Event",
    help: "Connection IDs learned from long headers of backends",
  },
  {
    name: "cid_claimed",
    stage: "cid",
    outcome: "claimed",
    kind: "Event",
    help: "Connection IDs recorded because a known flow used them",
  },
  {
    name: "cid_found_elsewhere",
    stage: "cid",
    outcome: "found_elsewhere",
    kind: "Event",
    help: "Connection IDs found in the table of another worker",
  },
  {
    name: "cid_table_full",
    stage: "cid",
    outcome: "table_full",
    kind: "Event",
    help: "Connection IDs that found no free place in the table",
  },
  {
    name: "cid_length_refused",
    stage: "cid",
    outcome: "length_refused",
    kind: "Event",
    help:
      "Connection IDs of backends whose length found no place among the eight that are known: they route by their 4-tuple, and across workers not at all, until a length was not seen for 10 s",
  },
] as const;

/** The values after a worker's counters, in memory order. */
export const GAUGES = [
  "generation",
  "flows",
  "upstreamSockets",
  "cids",
  "upstreamReceiveBuffer",
  "ringHighWater",
] as const;

/** The histograms of a worker, in memory order: the time of all datagrams in ns, then the buckets. */
export const TIMINGS = ["forwardService", "returnService", "forwardResidence", "returnResidence"] as const;

/** Bounds of the buckets: below 2^first ns; 2^stepBits equal steps to each power of two; 2^last ns and more. */
export const TIME_FIRST_EXPONENT = 8;
export const TIME_LAST_EXPONENT = 27;
export const TIME_STEP_BITS = 2;
export const CELLS_PER_TIMING = 79;

/** The cells of one backend slot of one worker, in memory order. */
export const BACKEND_CELLS = [
  "forwarded",
  "forwardedBytes",
  "returned",
  "returnedBytes",
  "flowsCreated",
  "dropped",
  "refused",
  "unsendable",
  "initialFlows",
  "flowsAnswered",
  "initialFlowsAnswered",
  "flows",
] as const;

export type CounterName = (typeof COUNTERS)[number]["name"];
export type GaugeName = (typeof GAUGES)[number];
export type TimingName = (typeof TIMINGS)[number];
export type BackendCellName = (typeof BACKEND_CELLS)[number];
