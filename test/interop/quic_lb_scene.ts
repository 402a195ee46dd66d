import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "../../proxy/lab/child.ts";
import { type Certificate, type Content, createCertificate, createContent } from "../../proxy/lab/content.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import { backendPort } from "../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import {
  type HeldDownloads,
  holdQuicGoClient,
  type QuicGoClientPlan,
  type QuicGoPrograms,
  type QuicGoReport,
  runQuicGoClient,
  startQuicGoServer,
} from "../../proxy/lab/quicgo.ts";
import { type BackendPlace, createTopology, type Topology } from "../../proxy/lab/topology.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";

/** One QUIC-LB config of a lab. */
export interface LabConfig {
  rotation: number;
  serverIdLength: number;
  nonceLength: number;
  /** Hexadecimal; absent: plain text. */
  key?: string;
}

export interface LabBackend {
  place: BackendPlace;
  family: "v4" | "v6";
  /** Hexadecimal. */
  serverId: string;
  /** Default 1. */
  weight?: number;
}

export interface ProxySettings {
  configs: readonly LabConfig[];
  backends: readonly LabBackend[];
  workers: number;
}

type ClientPlan = Partial<QuicGoClientPlan> & { connections: number };

export const listenerPort = 443;

/** A lab with content and certificate; servers and proxy are started by the tests. */
export class QuicLbScene {
  readonly topology: Topology;
  readonly programs: QuicGoPrograms;
  readonly certificate: Certificate;
  readonly contents: Content[];
  readonly #manifest: string;

  constructor(programs: QuicGoPrograms, backends: number, sizes: Record<string, number>) {
    this.programs = programs;
    this.topology = createTopology({ backends });
    const { directory } = this.topology;
    this.#manifest = join(directory, "edge.yaml");
    this.certificate = createCertificate(directory);
    this.contents = createContent(
      directory,
      this.topology.backends.map(({ name }) => name),
      sizes,
    );
  }

  /** Backends of the lab in turn over IPv4 and IPv6; server IDs of this many octets that differ in the last. */
  backends(serverIdLength: number): LabBackend[] {
    return this.topology.backends.map((place, index) => ({
      place,
      family: index % 2 === 0 ? "v4" : "v6",
      serverId: `${"a5".repeat(serverIdLength - 1)}0${index + 1}`,
    }));
  }

  startServer({ place, serverId }: LabBackend, { rotation, nonceLength, key }: LabConfig): Promise<Child> {
    const { programs, certificate, topology } = this;
    const routableIds = { rotation, serverId, nonceLength, ...(key === undefined ? {} : { key }) };
    return startQuicGoServer({ place, directory: topology.directory, certificate, programs, routableIds });
  }

  startProxy(settings: ProxySettings): Promise<LabProxy> {
    this.configure(settings);
    return startProxyProcess(this.topology, this.#manifest);
  }

  /** Writes manifest and keys; a running proxy applies them by itself. JSON is YAML. */
  configure({ configs, backends, workers }: ProxySettings): void {
    const quicLB = configs.map(({ key, ...config }) => ({
      ...config,
      ...(key && { key: { file: this.#keyFile(key) } }),
    }));
    const spec = {
      listeners: [{ port: listenerPort }],
      backends: {
        static: backends.map(({ place, family, serverId, weight = 1 }) => {
          return { address: place[family], port: backendPort, serverId, weight };
        }),
      },
      routing: { quicLB },
      dataPlane: { workers: { min: workers, max: workers } },
    };
    const manifest = { apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata: { name: "edge" }, spec };
    writeFileSync(`${this.#manifest}.new`, JSON.stringify(manifest));
    renameSync(`${this.#manifest}.new`, this.#manifest);
  }

  #keyFile(key: string): string {
    const name = `${key.slice(0, 4)}.key`;
    const file = join(this.topology.directory, name);
    writeFileSync(file, key);
    chmodSync(file, 0o600);
    return name;
  }

  runClient(family: "v4" | "v6", plan: ClientPlan): Promise<QuicGoReport> {
    return runQuicGoClient(this.#clientPlan(family, plan));
  }

  /** The downloads go on slowly until they are told to finish. */
  holdClient(family: "v4" | "v6", plan: ClientPlan): Promise<HeldDownloads> {
    return holdQuicGoClient(this.#clientPlan(family, plan));
  }

  #clientPlan(family: "v4" | "v6", plan: ClientPlan): QuicGoClientPlan {
    const { programs, certificate, topology } = this;
    return {
      programs,
      certificate,
      namespace: topology.client.namespace,
      directory: topology.directory,
      target: { address: topology.edge.towardClients[family], port: listenerPort },
      files: [this.contents[0]!.name],
      parallel: 10,
      ...plan,
    };
  }

  remove(): void {
    removeLab(this.topology.name);
  }
}

export type Totals = CountersReport["totals"];

/** How much each counter grew. */
export function growthOf(before: CountersReport, after: CountersReport): Totals {
  const entries = Object.entries(after.totals).map(([name, value]) => [
    name,
    value - before.totals[name as keyof Totals],
  ]);
  return Object.fromEntries(entries) as Totals;
}

/** Flows that each backend got, by the name of its place. */
export function flowsByServer(report: CountersReport, backends: readonly LabBackend[]): Record<string, number> {
  const flowsOf = (backend: LabBackend): number =>
    report.backends.find(({ address }) => address === backend.place[backend.family])?.flowsCreated ?? 0;
  return Object.fromEntries(backends.map((backend) => [backend.place.name, flowsOf(backend)]));
}

export function faultsOf({ connections }: QuicGoReport): string[] {
  return connections.flatMap(({ connection, fault }) => (fault === undefined ? [] : [`${connection}: ${fault}`]));
}
