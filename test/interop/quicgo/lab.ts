import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "../../../proxy/lab/child.ts";
import { type Content, createCertificate, createContent } from "../../../proxy/lab/content.ts";
import { removeLab } from "../../../proxy/lab/namespace.ts";
import { backendPort } from "../../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../../proxy/lab/proxy_process.ts";
import {
  type HeldDownloads,
  holdQuicGoClient,
  type QuicGoClientPlan,
  type QuicGoPrograms,
  type QuicGoReport,
  type RoutableIds,
  runQuicGoClient,
  startQuicGoServer,
} from "../../../proxy/lab/quicgo.ts";
import { createTopology, type Topology } from "../../../proxy/lab/topology.ts";

export const listenerPort = 443;

/** How the servers of a lab make their Connection IDs; each adds its number to the server ID's last octet. */
export type IdLayout = Omit<RoutableIds, "serverId"> & { serverIdLength: number };

export interface QuicGoLab {
  topology: Topology;
  content: Content;
  servers: Child[];
  proxy: LabProxy;
  manifestFile: string;
  /** Writes a manifest that names only these backends; a running proxy applies it by itself. Default: all of them. */
  serve(backends?: readonly number[], workers?: number): void;
  /** Downloads the content in 20 connections, 5 at a time, unless the plan says otherwise. */
  run(family: "v4" | "v6", plan: Partial<QuicGoClientPlan>): Promise<QuicGoReport>;
  /** The same, slowly and all at once until they are told to finish. */
  hold(family: "v4" | "v6", plan: Partial<QuicGoClientPlan> & { connections: number }): Promise<HeldDownloads>;
  remove(): void;
}

export interface QuicGoLabOptions {
  programs: QuicGoPrograms;
  /** Absent: the servers know nothing of QUIC-LB. */
  ids?: IdLayout;
  /** The servers' Connection IDs are empty. */
  zeroLengthIds?: boolean;
  /** Forwarding threads. Default 2. */
  workers?: number;
  /** Of the manifest, beside what `ids` need. */
  routing?: object;
  /** Of the one file. Default 1 MiB. */
  fileBytes?: number;
}

/** Namespaces with a quic-go server on each of three backends and the proxy before them. Needs root. */
export async function createQuicGoLab(options: QuicGoLabOptions): Promise<QuicGoLab> {
  const { programs, ids, zeroLengthIds = false, workers = 2, routing, fileBytes = 1024 * 1024 } = options;
  const topology = createTopology();
  try {
    const { directory, backends } = topology;
    const certificate = createCertificate(directory);
    const names = backends.map(({ name }) => name);
    const [content] = createContent(directory, names, { "content.bin": fileBytes });
    const servers = backends.map((place, index) => {
      const plan = { place, directory, certificate, programs, zeroLengthIds };
      return startQuicGoServer(ids === undefined ? plan : { ...plan, routableIds: idsOf(ids, index) });
    });
    const manifestFile = join(directory, "quicgo.yaml");
    const serve = (served: readonly number[] = [...backends.keys()], count = workers): void =>
      writeManifest(manifestFile, { topology, workers: count, ids, routing, served });
    serve();
    const usualPlan = (family: "v4" | "v6"): QuicGoClientPlan => ({
      namespace: topology.client.namespace,
      directory,
      certificate,
      programs,
      target: { address: topology.edge.towardClients[family], port: listenerPort },
      files: ["content.bin"],
      connections: 20,
      parallel: 5,
    });
    const proxy = await startProxyProcess(topology, manifestFile);
    return {
      topology,
      content: content!,
      manifestFile,
      serve,
      servers: await Promise.all(servers),
      proxy,
      run: (family, plan) => runQuicGoClient({ ...usualPlan(family), ...plan }),
      hold: (family, plan) => holdQuicGoClient({ ...usualPlan(family), parallel: plan.connections, ...plan }),
      remove: () => removeLab(topology.name),
    };
  } catch (error) {
    removeLab(topology.name);
    throw error;
  }
}

function idsOf({ serverIdLength, ...layout }: IdLayout, backend: number): RoutableIds {
  return { ...layout, serverId: serverIdOf(serverIdLength, backend) };
}

function serverIdOf(length: number, backend: number): string {
  return `${"c4605e17a2b84d93f06b8e55d7a1".slice(0, 2 * (length - 1))}${(backend + 1).toString(16).padStart(2, "0")}`;
}

interface Served {
  topology: Topology;
  workers: number;
  ids: IdLayout | undefined;
  routing: object | undefined;
  /** Numbers of backends. */
  served: readonly number[];
}

/** The key, when there is one, is in a file beside the manifest. */
function writeManifest(file: string, { topology, workers, ids, routing, served }: Served): void {
  const { directory, backends } = topology;
  if (ids?.key !== undefined) writeFileSync(join(directory, "cid.key"), ids.key, { mode: 0o600 });
  const manifest = {
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata: { name: "quicgo" },
    spec: {
      listeners: [{ port: listenerPort }],
      backends: {
        static: served.map((index) => ({
          address: backends[index]![index === 1 ? "v6" : "v4"],
          port: backendPort,
          ...(ids && { serverId: serverIdOf(ids.serverIdLength, index) }),
        })),
      },
      routing: { ...routing, ...(ids && { quicLB: [configOf(ids)] }) },
      dataPlane: { workers: { min: workers, max: workers } },
    },
  };
  // JSON is YAML. By rename: a running proxy sees no half of it.
  writeFileSync(`${file}.new`, JSON.stringify(manifest, undefined, 2));
  renameSync(`${file}.new`, file);
}

function configOf({ key, ...layout }: IdLayout): object {
  return key === undefined ? layout : { ...layout, key: { file: "cid.key" } };
}

/** What went wrong, one line for each connection. */
export function faultsOf({ connections }: QuicGoReport): string[] {
  return connections.flatMap(({ connection, fault }) => (fault === undefined ? [] : [`${connection}: ${fault}`]));
}
