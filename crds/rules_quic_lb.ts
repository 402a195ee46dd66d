import type { RuleFinding, SoundSpec } from "./rule_finding.ts";

type QuicLbConfig = NonNullable<NonNullable<NonNullable<SoundSpec["routing"]>["quicLB"]>[number]>;

interface IndexedConfig {
  readonly path: readonly (string | number)[];
  readonly config: QuicLbConfig;
}

const MAX_ID_AND_NONCE = 19;

/** Each rotation once, lengths that fit into a Connection ID, one place for the key. */
export function quicLbRules(spec: SoundSpec): RuleFinding[] {
  const configs = configsOf(spec);
  return [...rotationRule(configs), ...configs.flatMap(lengthRule), ...configs.flatMap(keyRule)];
}

/** Server IDs that no config decodes, and configs that decode to nobody. */
export function unusedServerIds(spec: SoundSpec): RuleFinding[] {
  const { backends } = spec;
  const configs = configsOf(spec);
  const serverIds = (backends?.static ?? []).map((backend) => backend?.serverId);
  if (configs.length === 0) {
    const index = serverIds.findIndex((serverId) => serverId !== undefined);
    if (index === -1) return [];
    const what = "has no effect without routing.quicLB (here and in every later backend)";
    const path = ["backends", "static", index, "serverId"];
    return [{ path, what, allowed: "server IDs together with routing.quicLB" }];
  }
  if (backends?.static === undefined) return [];
  const lengths = new Set(serverIds.map((serverId) => (serverId?.length ?? 0) / 2));
  return configs.flatMap(({ path, config: { serverIdLength } }) => {
    if (serverIdLength === undefined || lengths.has(serverIdLength)) return [];
    const what = `routes nothing: no backend has a server ID of ${octets(serverIdLength)}`;
    return [{ path, what, allowed: "backends with a serverId of that length" }];
  });
}

/**
 * What routes as asked and tells an observer more than the draft wants. Not faults: a deployment that goes from plain
 * text to encryption runs both while its connections live, and its backends have one server ID each.
 */
export function quicLbCautions(spec: SoundSpec): RuleFinding[] {
  const configs = configsOf(spec);
  const plain = configs.filter(({ config }) => !("key" in config));
  const [first] = plain;
  if (first === undefined) return [];
  const readable: RuleFinding = {
    path: first.path,
    what: "has no key: anyone can read server IDs and link a client's addresses by them",
    allowed: "a key in every config",
  };
  return [readable, ...configs.flatMap((config) => sharedServerIds(config, plain))];
}

function sharedServerIds({ path, config }: IndexedConfig, plain: readonly IndexedConfig[]): RuleFinding[] {
  if (!("key" in config)) return [];
  const { serverIdLength } = config;
  const other = plain.find((candidate) => candidate.config.serverIdLength === serverIdLength);
  if (other === undefined || serverIdLength === undefined) return [];
  const what = `shares server IDs with the plain-text rotation ${other.config.rotation}, which gives them away`;
  return [{ path, what, allowed: "no plain-text config of that serverIdLength once its connections have ended" }];
}

function configsOf({ routing }: SoundSpec): IndexedConfig[] {
  return (routing?.quicLB ?? []).flatMap((config, index) => {
    return config === undefined ? [] : [{ path: ["routing", "quicLB", index], config }];
  });
}

function rotationRule(configs: readonly IndexedConfig[]): RuleFinding[] {
  const seen = new Map<number, number>();
  return configs.flatMap(({ path, config: { rotation } }) => {
    if (rotation === undefined) return [];
    const first = seen.get(rotation);
    seen.set(rotation, first ?? Number(path.at(-1)));
    if (first === undefined) return [];
    const what = `rotation ${rotation} is already that of spec.routing.quicLB[${first}]`;
    return [{ path: [...path, "rotation"], what, allowed: "each rotation once" }];
  });
}

function lengthRule({ path, config: { serverIdLength = 0, nonceLength = 0 } }: IndexedConfig): RuleFinding[] {
  const sum = serverIdLength + nonceLength;
  if (sum <= MAX_ID_AND_NONCE) return [];
  const what = `serverIdLength ${serverIdLength} + nonceLength ${nonceLength} is ${sum}`;
  return [{ path, what, allowed: "a sum of at most 19 octets" }];
}

function keyRule({ path, config: { key } }: IndexedConfig): RuleFinding[] {
  if (key === undefined) return [];
  const places = ["secretRef", "file"].filter((place) => place in key);
  if (places.length === 1) return [];
  const what = places.length === 0 ? "names no key" : "has both secretRef and file";
  return [{ path: [...path, "key"], what, allowed: "exactly one of secretRef and file" }];
}

function octets(count: number): string {
  return count === 1 ? "1 octet" : `${count} octets`;
}
