import type { BackendsIndex } from "../../../crds/backends_schema.ts";
import type { QuicProxyNodeStatus } from "../../../crds/status_schema.ts";
import type { ApiClient } from "../../../kube/client.ts";
import { Informer } from "../../../kube/informer.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import { apiVersionOf, RESOURCES } from "../../../kube/resources.ts";
import { NAMESPACE } from "../../integration/operator/fixtures.ts";
import { PROXY } from "./cluster.ts";

export interface FleetOptions {
  readonly client: ApiClient;
  /** How often each proxy writes its numbers, in milliseconds; undefined: never. */
  readonly numbersEveryMs: number | undefined;
}

const WIDTH = 8;
const RETRY_MS = 500;

/**
 * Every proxy of a QuicProxy in one place, without the proxies: each takes its object and the index at once and says so in
 * its status, a bounded number at a time.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #nodes: Informer<number>;
  readonly #backends: Informer<number>;
  readonly #due = new Set<string>();
  #wake: (() => void)[] = [];
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #lanes: Promise<unknown> | undefined;
  #turn = 0;
  /** Statuses written. */
  written = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    const { client } = options;
    const onError = (): void => {};
    this.#nodes = new Informer<number>({
      client,
      collection: { resource: RESOURCES.quicProxyNodes, namespace: NAMESPACE },
      project: (object) => specOf<{ generation: number }>(object).generation,
      onChange: ({ key, value, before }) => {
        if (value !== undefined && value !== before) this.#add(key);
      },
      onError,
    });
    this.#backends = new Informer<number>({
      client,
      collection: {
        resource: RESOURCES.quicProxyBackends,
        namespace: NAMESPACE,
        fieldSelector: `metadata.name=${PROXY}`,
      },
      project: (object) => specOf<{ index?: BackendsIndex }>(object).index?.generation,
      onChange: ({ value, before }) => {
        if (value !== before) this.reportAll();
      },
      onError,
    });
  }

  start(): void {
    const { numbersEveryMs } = this.#options;
    this.#nodes.start();
    this.#backends.start();
    this.#lanes = Promise.all(Array.from({ length: WIDTH }, () => this.#lane()));
    if (numbersEveryMs !== undefined) this.#timer = setInterval(() => this.#someNumbers(), numbersEveryMs / 100);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const wake of this.#wake) wake();
    await Promise.all([this.#nodes.stop(), this.#backends.stop(), this.#lanes]);
  }

  /** Each proxy writes its status anew, with other numbers. */
  reportAll(): void {
    for (const key of this.#nodes.keys()) this.#add(key);
  }

  /** Spread: each hundredth of the time a hundredth of the proxies. */
  #someNumbers(): void {
    const keys = this.#nodes.keys();
    for (let at = this.#turn++ % 100; at < keys.length; at += 100) this.#add(keys[at]!);
  }

  #add(key: string): void {
    this.#due.add(key);
    this.#wake.shift()?.();
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      const [key] = this.#due;
      if (key === undefined) {
        await new Promise<void>((resolve) => this.#wake.push(resolve));
        continue;
      }
      this.#due.delete(key);
      await this.#report(key).catch(async () => {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        this.#due.add(key);
      });
    }
  }

  async #report(key: string): Promise<void> {
    const generation = this.#nodes.get(key);
    if (generation === undefined) return;
    const resource = RESOURCES.quicProxyNodes;
    const name = key.slice(key.indexOf("/") + 1);
    const status = statusOf(generation, this.#backends.get(`${NAMESPACE}/${PROXY}`) ?? 0);
    const metadata = { namespace: NAMESPACE, name };
    const object = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata, status };
    const options = { resource, fieldManager: "quicproxy-node", subresource: "status" } as const;
    await this.#options.client.apply(object as KubernetesObject, options);
    this.written++;
  }
}

function specOf<Spec>(object: KubernetesObject): Spec {
  return (object as unknown as { spec: Spec }).spec;
}

function statusOf(appliedGeneration: number, appliedBackends: number): QuicProxyNodeStatus {
  const any = (most: number): number => Math.round(Math.random() * most);
  return {
    appliedGeneration,
    appliedBackends,
    ready: true,
    source: "ApiServer",
    version: "0.1.0",
    workers: 2,
    upstreamLevel: "RawSend",
    steeringLevel: "ConnectionID",
    flowCapacity: 1_000_000,
    upstreamSocketMax: 1024,
    receiveBuffer: { askedBytes: 4_194_304, effectiveBytes: 8_388_608 },
    rates: {
      receivedPerSecond: any(99) * 1000,
      forwardedPerSecond: any(99) * 1000,
      returnedPerSecond: any(99) * 1000,
      droppedPerSecond: 0,
      droppedTotal: 0,
      flows: any(99) * 1000,
    },
  };
}
