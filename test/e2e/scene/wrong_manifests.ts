/** A manifest that cannot work, and how its author hears of it. */
export interface WrongManifest {
  what: string;
  /** Of the spec of a sound QuicProxy. */
  changes?: object;
  /** In place of such a QuicProxy. */
  manifest?: object | string;
  /** In what kubectl says. */
  refused?: RegExp;
  /** Of a condition: `type status reason: message`. */
  shown?: RegExp;
}

const backend = { address: "10.0.0.7", port: 4433 };
const statics = (...list: object[]): object => ({ backends: { static: list } });
const service = (reference: object): object => ({ backends: { service: reference } });
const quicLB = (...configs: object[]): object => ({ routing: { quicLB: configs } });
const lengths = { serverIdLength: 8, nonceLength: 8 };
const text = (name: string, body: string): string =>
  `apiVersion: quicproxy.io/v1alpha1\nkind: QuicProxy\nmetadata: { name: ${name} }\n${body}`;
const soundBody = "spec: { listeners: [{ port: 7443 }], backends: { static: [] } }";

const refusedByShape: WrongManifest[] = [
  { what: "a misspelled field", changes: { listener: [] }, refused: /unknown field "spec\.listener"/ },
  { what: "a misspelled nested field", changes: { routing: { fallBack: "FourTuple" } }, refused: /unknown field/ },
  { what: "no spec", manifest: text("none", ""), refused: /spec.*[Rr]equired/ },
  { what: "another version", manifest: text("v", soundBody).replace("v1alpha1", "v9"), refused: /no matches for kind/ },
  { what: "another kind", manifest: text("k", soundBody).replace("QuicProxy", "QuicProxie"), refused: /no matches/ },
  { what: "no YAML", manifest: text("y", "spec: {listeners: [}"), refused: /error (parsing|converting)/ },
  { what: "a name of 64 characters", manifest: text("n".repeat(64), soundBody), refused: /at most 63|63 (bytes|char)/ },
  { what: "a name with capitals", manifest: text("Edge", soundBody), refused: /RFC 1123/ },
  { what: "no listener", changes: { listeners: [] }, refused: /listeners.*at least 1/ },
  { what: "port 0", changes: { listeners: [{ port: 0 }] }, refused: /port.*greater than or equal to 1/ },
  { what: "port 65536", changes: { listeners: [{ port: 65_536 }] }, refused: /port.*less than or equal to 65535/ },
  { what: "a port as text", changes: { listeners: [{ port: "443" }] }, refused: /port.*must be of type integer/ },
  {
    what: "a listener twice",
    changes: { listeners: [{ port: 1 }, { port: 1 }] },
    refused: /each address and port in one/,
  },
  {
    what: "33 listeners",
    changes: { listeners: Array.from({ length: 33 }, (_, index) => ({ port: 2000 + index })) },
    refused: /at most 32|[Tt]oo many/,
  },
  {
    what: "no address",
    changes: { listeners: [{ port: 443, address: "10.0.0.300" }] },
    refused: /IPv4 or IPv6 address/,
  },
  {
    what: "a multicast listener",
    changes: { listeners: [{ port: 443, address: "224.0.0.1" }] },
    refused: /not multicast/,
  },
  { what: "no backends", changes: { backends: {} }, refused: /exactly one of service and static/ },
  {
    what: "two sources of backends",
    changes: { backends: { static: [backend], service: { name: "a", port: 1 } } },
    refused: /exactly one of service and static/,
  },
  { what: "a Service without port", changes: service({ name: "a" }), refused: /exactly one of port and portName/ },
  {
    what: "a Service with two ports",
    changes: service({ name: "a", port: 1, portName: "quic" }),
    refused: /exactly one of port and portName/,
  },
  { what: "a Service with capitals", changes: service({ name: "Web", port: 1 }), refused: /service\.name/ },
  { what: "a backend by host name", changes: statics({ ...backend, address: "server.example" }), refused: /address/ },
  { what: "an unspecified backend", changes: statics({ ...backend, address: "0.0.0.0" }), refused: /not unspecified/ },
  { what: "a backend twice", changes: statics(backend, backend), refused: /[Dd]uplicate/ },
  { what: "a negative weight", changes: statics({ ...backend, weight: -1 }), refused: /weight/ },
  { what: "a weight above 65535", changes: statics({ ...backend, weight: 65_536 }), refused: /weight/ },
  { what: "half an octet of server ID", changes: statics({ ...backend, serverId: "abc" }), refused: /serverId/ },
  { what: "a size with a space", changes: { dataPlane: { receiveBuffer: "8 Mi" } }, refused: /receiveBuffer/ },
  { what: "a size that is too large", changes: { dataPlane: { receiveBuffer: "9Ti" } }, refused: /receiveBuffer/ },
  { what: "a duration in words", changes: { routing: { idleTimeout: "two minutes" } }, refused: /idleTimeout/ },
  { what: "a duration of nothing", changes: { routing: { idleTimeout: "0s" } }, refused: /idleTimeout/ },
  { what: "an unknown mode", changes: { dataPlane: { mode: "Fast" } }, refused: /mode.*supported values/ },
  {
    what: "more workers at least than at most",
    changes: { dataPlane: { workers: { min: 4, max: 2 } } },
    refused: /min/,
  },
  { what: "a batch of 0", changes: { dataPlane: { batch: 0 } }, refused: /batch/ },
  { what: "rotation 7", changes: quicLB({ rotation: 7, ...lengths }), refused: /rotation/ },
  {
    what: "a Connection ID of 21 octets",
    changes: quicLB({ rotation: 0, serverIdLength: 10, nonceLength: 10 }),
    refused: /at most 19/,
  },
  { what: "a metrics port above 65535", changes: { metrics: { port: 70_000 } }, refused: /metrics\.port/ },
  { what: "a label value that is none", changes: { nodes: { selector: { a: "b c" } } }, refused: /selector/ },
  { what: "a label key that is none", changes: { nodes: { selector: { "a b": "" } } }, refused: /selector/ },
  {
    what: "routing by a Connection ID of unknown length",
    changes: { routing: { fallback: "ConnectionID" } },
    refused: /connectionIdLength: short headers do not carry the length/,
  },
  {
    what: "one rotation for two configs",
    changes: quicLB({ rotation: 0, ...lengths }, { rotation: 0, ...lengths }),
    refused: /Duplicate value: \{"rotation":0\}/,
  },
];

const shownAsCondition: WrongManifest[] = [
  {
    what: "a Service that is not there",
    changes: service({ name: "absent", port: 443 }),
    shown: /^Accepted False ServiceNotFound: there is no Service \S+\/absent/,
  },
  {
    what: "a Service of another namespace",
    changes: service({ name: "kubernetes", namespace: "default", port: 443 }),
    shown: /^Accepted False RefNotPermitted: .*namespace/,
  },
  {
    what: "a Service port that is TCP",
    changes: service({ name: "tcp-only", port: 80 }),
    shown: /^Accepted False ServicePortNotFound: .*protocol: UDP/,
  },
  {
    what: "a Service that is a name elsewhere",
    changes: service({ name: "elsewhere", port: 443 }),
    shown: /^Accepted False ServiceNotUsable: .*ExternalName/,
  },
  {
    what: "a port that an older QuicProxy has",
    changes: { listeners: [{ port: 443 }] },
    shown: /^Accepted False PortConflict: .*UDP port 443 is that of QuicProxy/,
  },
  {
    what: "a key in a file that a pod does not have",
    changes: quicLB({ rotation: 0, ...lengths, key: { file: "cid.key" } }),
    shown: /^Accepted False InvalidSpec: .*secretRef/,
  },
  {
    what: "a backend that is the proxy itself",
    changes: statics({ address: "127.0.0.1", port: 7443 }),
    shown: /^Accepted False InvalidSpec: .*loop/,
  },
  {
    what: "a fast path that this version has not",
    changes: { dataPlane: { fastPath: "XDP" } },
    shown: /^Accepted False InvalidSpec: .*not available in this version/,
  },
  {
    what: "a Service without endpoints",
    changes: service({ name: "nobody", port: 443 }),
    shown: /^Ready False NoBackends: Service nobody has no ready endpoint/,
  },
  {
    what: "a selector that no node matches",
    changes: { nodes: { selector: { "quicproxy.io/nowhere": "" } } },
    shown: /^Ready False NoNodes: .*kubectl label node/,
  },
];

export const wrongManifests: readonly WrongManifest[] = [...refusedByShape, ...shownAsCondition];
