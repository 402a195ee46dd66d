import { ConnectionIdCodec, type ServerPart } from "./codec.ts";
import { type ConnectionIdConfig, unroutableRotation } from "./config.ts";
import { ConnectionIdError } from "./errors.ts";

export type Decoded =
  | ({ routable: true; rotation: number } & ServerPart)
  | { routable: false; why: "Empty" | "MarkedUnroutable" | "UnknownRotation" | "TooShort" };

/** Reads Connection IDs as a load balancer with these configs does; whether a server has the ID is not its business. */
export class ConnectionIdDecoder {
  readonly #codecs = new Map<number, ConnectionIdCodec>();

  /** At most one config for each rotation. Throws ConnectionIdError. */
  constructor(configs: readonly ConnectionIdConfig[]) {
    for (const config of configs) {
      if (this.#codecs.has(config.rotation)) {
        throw new ConnectionIdError("CONFIGS", `rotation ${config.rotation} is in two configs`);
      }
      this.#codecs.set(config.rotation, new ConnectionIdCodec(config));
    }
  }

  decode(cid: Uint8Array): Decoded {
    const first = cid[0];
    if (first === undefined) return { routable: false, why: "Empty" };
    const rotation = first >> 5;
    if (rotation === unroutableRotation) return { routable: false, why: "MarkedUnroutable" };
    const codec = this.#codecs.get(rotation);
    if (codec === undefined) return { routable: false, why: "UnknownRotation" };
    const part = codec.decode(cid);
    return part === undefined ? { routable: false, why: "TooShort" } : { routable: true, rotation, ...part };
  }
}
