import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeArchive } from "../../../image/archive.ts";
import { type Certificate, type Content, createCertificate, createContent } from "../../../proxy/lab/content.ts";
import type { QuicGoPrograms } from "../../../proxy/lab/quicgo.ts";
import { type Cluster, kubectl } from "../../cluster/cluster.ts";
import { buildQuicGo } from "../../interop/quicgo/build.ts";
import { apply, list } from "./objects.ts";

const image = "localhost/quicgo-server:e2e";
const port = 4433;
/** A pod that is going serves its connections for so long; it gets no new one. */
const drainSeconds = 25;

/** Files, certificate and programs of the QUIC servers in a cluster. */
export interface QuicContent {
  directory: string;
  certificate: Certificate;
  file: Content;
  programs: QuicGoPrograms;
}

/** Builds the programs and imports an image of the server with its content on every node. */
export async function provideQuicServer(cluster: Cluster): Promise<QuicContent> {
  const directory = mkdtempSync(join(tmpdir(), "quicproxy-e2e-"));
  const programs = buildQuicGo();
  const certificate = createCertificate(directory);
  const [file] = createContent(directory, [], { "content.bin": 256 * 1024 });
  const root = join(directory, "root");
  mkdirSync(join(root, "srv", "pod"), { recursive: true });
  cpSync(programs.server, join(root, "quicgo-server"));
  cpSync(join(directory, "content", file!.name), join(root, "srv", file!.name));
  const archive = join(directory, "quicgo-server.tar");
  const work = mkdtempSync(join(directory, "image-"));
  writeArchive({ archive, name: image, root, entrypoint: ["/quicgo-server"], env: {}, work });
  await cluster.loadImage(archive);
  for (const path of [work, root, archive]) rmSync(path, { recursive: true });
  return { directory, certificate, file: file!, programs };
}

/** A Deployment of QUIC servers whose pods say their names, and the Service before them. */
export async function deployQuicServer(
  cluster: Cluster,
  { namespace, name, replicas }: { namespace: string; name: string; replicas: number },
  { certificate }: QuicContent,
): Promise<void> {
  const labels = { app: name };
  const read = (path: string): string => readFileSync(path, "utf8");
  const options = ["-listen", `:${port}`, "-cert", "/tls/tls.crt", "-key", "/tls/tls.key", "-dir", "/srv"];
  const template = {
    metadata: { labels },
    spec: {
      terminationGracePeriodSeconds: drainSeconds + 5,
      containers: [
        {
          name: "quic",
          image,
          imagePullPolicy: "Never",
          args: options,
          lifecycle: { preStop: { sleep: { seconds: drainSeconds } } },
          volumeMounts: [
            { name: "tls", mountPath: "/tls", readOnly: true },
            { name: "pod", mountPath: "/srv/pod", readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: "tls", secret: { secretName: name } },
        { name: "pod", downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
      ],
    },
  };
  const metadata = { namespace, name };
  await apply(
    cluster,
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata,
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": read(certificate.certificate), "tls.key": read(certificate.key) },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: { replicas, selector: { matchLabels: labels }, template },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { selector: labels, ports: [{ name: "quic", port: 443, targetPort: port, protocol: "UDP" }] },
    },
  );
  await kubectl(cluster, ["-n", namespace, "rollout", "status", `deployment/${name}`, "--timeout=170s"]);
}

/** Names and addresses of the pods that are not going. */
export async function serverPods(
  cluster: Cluster,
  { namespace, name }: { namespace: string; name: string },
): Promise<{ name: string; address: string }[]> {
  const pods = await list(cluster, "pods", ["-n", namespace, "-l", `app=${name}`]);
  return pods
    .filter(({ metadata }) => !("deletionTimestamp" in metadata))
    .map(({ metadata, status }) => ({ name: metadata.name, address: (status as { podIP: string }).podIP }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
