import { EventEmitter } from "node:events";
import type { Log } from "../../../../process/log.ts";
import type { NativeBackend, NativeErrorCode, NativeStatus } from "../../../../proxy/apply/addon.ts";
import { type DataPlane, wrapDataPlane } from "../../../../proxy/apply/data_plane.ts";
import type { Plan } from "../../../../proxy/apply/plan.ts";
import { WEIGHT_UNITS } from "../../../../proxy/contract/layout.ts";
import { FakeRegion } from "../counters/region.ts";

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** A log that keeps what it is told. */
export function fakeLog(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (first: Record<string, unknown> | string, message?: string): void => {
      lines.push(
        typeof first === "string"
          ? { level, message: first, fields: {} }
          : { level, message: message ?? "", fields: first },
      );
    };
  const log = { info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") } as unknown as Log;
  return { log, lines };
}

export function nativeError(code: NativeErrorCode, message: string, endpoint?: number): Error {
  return Object.assign(new Error(message), { code, ...(endpoint === undefined ? {} : { endpoint }) });
}

export function fakeStatus(changes: Partial<NativeStatus> = {}): NativeStatus {
  return {
    generation: 1,
    workers: 2,
    leavingWorkers: 0,
    batch: 64,
    upstreamLevel: "ConnectedSocketPool",
    steering: "KernelHash",
    flowCapacity: 50_000,
    upstreamSocketMax: 1000,
    kernelDropsOfClosed: 0,
    upstreamReceiveBufferAsked: 8_388_608,
    upstreamReceiveBufferEffective: 16_777_216,
    upstreamSocketBound: "Asked",
    networkEvents: true,
    flowMemoryBytes: 67_108_864,
    clock: { readNs: 25, timedOneIn: 32, coarse: false },
    endpoints: [
      {
        index: 0,
        address: "0.0.0.0",
        port: 4433,
        family: 4,
        receiveBufferAsked: 8_388_608,
        receiveBufferEffective: 16_777_216,
        sendBufferEffective: 8_388_608,
        kernelDrops: 0,
        sockets: [0, 1].map((worker) => ({ worker, receiveBuffer: 16_777_216, queued: 0, kernelDrops: 0 })),
      },
    ],
    backends: [{ slot: 0, address: "10.0.0.7", port: 4433, weight: 1, active: true, sources: ["10.0.0.1"] }],
    ...changes,
  };
}

/** A plan whose encoding is readable: generation and backends as JSON. */
export function fakePlan(changes: Partial<Plan> = {}): Plan {
  const backends = changes.backends ?? [{ address: "10.0.0.7", port: 4433, weight: 1 }];
  return {
    name: "edge",
    namespace: "media",
    mode: "RunToCompletion",
    endpoints: [{ address: "0.0.0.0", port: 4433, listener: 0 }],
    backends,
    serverIds: new Map(),
    quicLbKeys: new Map(),
    quicLbConfigs: [],
    settings: { idleTimeoutMs: 120_000 },
    upstreamSocketMaxAsked: undefined,
    openFilesNeeded: 120,
    warnings: [],
    metrics: { address: "127.0.0.1", port: 0 },
    encode: (generation) => Buffer.from(JSON.stringify({ generation, backends })),
    ...changes,
  };
}

/** A native side without sockets: it follows what it is told and fails when a test says so. */
export class FakeNative {
  readonly region = new FakeRegion({ workers: 2, slots: 8 });
  readonly applied: number[] = [];
  readonly events = new EventEmitter();
  failWith: Error | undefined;
  current: NativeStatus = fakeStatus();
  stopped = false;
  networkChanges = 0;

  open = (contract: Uint8Array): DataPlane => {
    this.#take(contract);
    return wrapDataPlane({
      apply: (next) => this.#take(next),
      status: () => this.#status(),
      counters: () => this.region.buffer,
      samples: () => new ArrayBuffer(0),
      networkChanges: () => this.networkChanges,
      stop: () => {
        this.stopped = true;
        this.events.emit("stop");
      },
    });
  };

  #status(): NativeStatus {
    if (this.stopped) throw nativeError("STOPPED", "stopped");
    const backends = this.current.backends.map((backend) => ({ ...backend, weight: backend.weight * WEIGHT_UNITS }));
    return { ...this.current, backends };
  }

  #take(contract: Uint8Array): void {
    if (this.failWith) throw this.failWith;
    const { generation, backends } = JSON.parse(Buffer.from(contract).toString()) as {
      generation: number;
      backends: Omit<NativeBackend, "slot" | "active" | "sources">[];
    };
    this.applied.push(generation);
    for (let worker = 0; worker < 2; worker++) this.region.setGauge(worker, "generation", generation);
    this.current = {
      ...this.current,
      generation,
      backends: backends.map((backend, slot) => ({ ...backend, slot, active: true, sources: ["10.0.0.1"] })),
    };
  }
}
