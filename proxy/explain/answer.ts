import { formatAddress } from "../../process/host_port.ts";
import type { Addon, NativeExplanation } from "../apply/addon.ts";
import type { Plan, PlannedQuicLb } from "../apply/plan.ts";
import type { Place } from "./datagram.ts";
import { encodeTuple, TUPLE_BYTES } from "./four_tuple.ts";

export interface Question {
  readonly datagram: Uint8Array;
  /** Absent: only what does not depend on it can be told. */
  readonly tuple?: { readonly from: Place; readonly to: Place } | undefined;
}

/** What the question is held against. */
export interface Setting {
  readonly plan: Plan;
  /** Whether the plan's hash key is that of a running proxy. */
  readonly keyKnown: boolean;
  readonly explain: Addon["explain"];
}

export interface BackendAnswer {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
}

/** Where one datagram goes and why; what --json prints. Connection IDs are those of the datagram, nonces are not told. */
export interface Answer {
  readonly octets: number;
  readonly form: NativeExplanation["form"];
  readonly version?: string;
  readonly dcid?: string;
  readonly scid?: string;
  readonly from?: string;
  readonly to?: string;
  readonly rule: NativeExplanation["rule"];
  readonly quicLb: NativeExplanation["quicLb"];
  readonly config?: PlannedQuicLb;
  readonly serverId?: string;
  /** Undefined: none, or not to be known (see `why`). */
  readonly backend?: BackendAnswer | undefined;
  readonly why: readonly string[];
  /** The same datagram without that backend. */
  readonly onceGone: { readonly backend?: BackendAnswer | undefined; readonly why: string };
}

/** Asks the router of the packet path; its tables are empty. Throws NativeError, InputError. */
export function answer({ datagram, tuple }: Question, setting: Setting): Answer {
  const { plan, explain } = setting;
  const native = explain(plan.encode(1), tuple ? encodeTuple(tuple) : new Uint8Array(TUPLE_BYTES), datagram);
  const known = new Knowledge(native, setting, tuple !== undefined);
  const config = plan.quicLbConfigs.find(({ rotation }) => rotation === native.rotation);
  const isLong = native.form === "long";
  return {
    octets: datagram.length,
    form: native.form,
    ...(isLong ? { version: `0x${native.version.toString(16).padStart(8, "0")}` } : {}),
    ...(isLong ? { dcid: native.dcid, scid: native.scid } : {}),
    ...(tuple ? { from: textOf(tuple.from), to: textOf(tuple.to) } : {}),
    rule: native.rule,
    quicLb: native.quicLb,
    ...(config ? { config } : {}),
    ...(native.serverId === undefined ? {} : { serverId: native.serverId }),
    backend: native.rule === "fallback" && !known.fallback ? undefined : backendOf(native.backend, plan),
    why: reasons(native, config, known),
    onceGone: onceGone(native, known),
  };
}

const textOf = ({ address, port }: Place): string => formatAddress(address, port);

function backendOf(text: string, { backends }: Plan): BackendAnswer | undefined {
  const [address, port] = text.split(" ");
  const found = backends.find((backend) => backend.address === address && backend.port === Number(port));
  return found && { address: found.address, port: found.port, weight: found.weight };
}

/** What can be told of the fallback's choice. */
class Knowledge {
  readonly fallback: boolean;
  readonly missing: string;
  readonly byCid: boolean;
  readonly plan: Plan;

  constructor(native: NativeExplanation, { plan, keyKnown }: Setting, hasTuple: boolean) {
    this.plan = plan;
    const wantsCid = plan.mode === "Baseline" || plan.settings.fallback === "ConnectionID";
    const lengthKnown = native.form === "short" && plan.settings.shortHeaderCidLength !== "learned";
    this.byCid = wantsCid && (native.dcid !== "" || lengthKnown);
    const hasInput = this.byCid || hasTuple;
    this.fallback = keyKnown && hasInput;
    this.missing = keyKnown ? "it takes the 4-tuple: name it with --from and --to" : "the proxy's hash key is not here";
  }
}

function reasons(native: NativeExplanation, config: PlannedQuicLb | undefined, known: Knowledge): string[] {
  const why = [quicLbReason(native, config)];
  if (native.rule === "quic_lb") return why;
  if (known.plan.mode !== "Baseline") {
    why.push("what a running proxy remembers comes next: 4-tuple + source ID, learned Connection IDs, 4-tuple");
  }
  if (native.rule === "none") return [...why, "no backend has a weight above zero: it is dropped and counted"];
  const input = known.byCid ? "Connection ID" : "4-tuple";
  why.push(`whoever is not remembered goes by fallback: a keyed hash of the ${input}`);
  if (!known.fallback) why.push(`which backend that is cannot be told: ${known.missing}`);
  return why;
}

const UNROUTABLE_ROTATION = 7;

function quicLbReason({ quicLb, rotation, serverId }: NativeExplanation, config: PlannedQuicLb | undefined): string {
  switch (quicLb) {
    case "off":
      return "no QUIC-LB: the manifest has no config, or the datagram no Connection ID";
    case "no_config":
      return rotation === UNROUTABLE_ROTATION
        ? "not routable: rotation 7 says that the server had no QUIC-LB config"
        : `not routable: no config has rotation ${rotation}`;
    case "too_short":
      return config
        ? `not routable: rotation ${rotation} takes ${1 + config.serverIdLength + config.nonceLength} octets, there are fewer`
        : "not routable: there is no Connection ID";
    case "unknown_server":
      return `not routable: ${describe(config)} gives server ID ${serverId}, which no backend has`;
    case "routed":
      return `${describe(config)} gives server ID ${serverId}`;
  }
}

function describe(config: PlannedQuicLb | undefined): string {
  if (!config) return "the config";
  const { rotation, serverIdLength, nonceLength, encrypted } = config;
  return `config ${rotation} (server ID ${serverIdLength} + nonce ${nonceLength} octets, ${encrypted ? "encrypted" : "plain text"})`;
}

function onceGone({ rule, backendWithoutIt }: NativeExplanation, known: Knowledge): Answer["onceGone"] {
  if (rule === "none") return { why: "there is none" };
  if (backendWithoutIt === "") return { why: "no other backend has a weight above zero: it is dropped and counted" };
  const drain = "its flows stay with it until they are idle; others go by fallback";
  if (!known.fallback) return { why: `${drain}, and which backend that is cannot be told: ${known.missing}` };
  return { backend: backendOf(backendWithoutIt, known.plan), why: drain };
}
