import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { playRow, type Row, type Scene } from "./counter_rows.ts";
import type { Network } from "./network.ts";
import { type ManifestOptions, manifest, Place, ProxyProcess } from "./proxy.ts";

export interface Suite {
  name: string;
  network: () => Network;
  options: () => ManifestOptions;
  /** Whose sockets the backends are. Default: the backend's peer. */
  backends?: () => Network["backend"];
  /** A command that ends in running the proxy, such as setpriv. */
  wrapper?: readonly string[];
}

/** One proxy, the real program, for all tests that `define` makes. */
export function describeProxy(suite: Suite, define: (scene: () => Scene) => void): void {
  describe(suite.name, () => {
    let place: Place | undefined;
    let scene: Scene;
    beforeAll(async () => {
      const network = suite.network();
      place = new Place(network.topology.directory);
      place.write(manifest(unsampled(suite.options())));
      const { namespace } = network.topology.edge;
      const proxy = await ProxyProcess.start({
        place,
        namespace,
        reader: network.edge,
        until: "healthy",
        ...(suite.wrapper ? { wrapper: suite.wrapper } : {}),
      });
      scene = { network, proxy, ...(suite.backends ? { backends: suite.backends() } : {}) };
    });
    afterAll(async () => {
      await scene?.proxy.stop();
      place?.remove();
    });
    // What a failed test left must not become the next one's.
    afterEach(async () => {
      const { client, edge, backend } = suite.network();
      for (const peer of [client, edge, backend]) await peer.take(0);
    });
    define(() => scene);
  });
}

/** Which connections are sampled depends on the hash key: by chance one more counter would move. */
function unsampled({ dataPlane, ...options }: ManifestOptions): ManifestOptions {
  return { ...options, dataPlane: { sampleOneIn: 1_000_000_000, ...dataPlane } };
}

export function describeRows(suite: Suite, rows: readonly Row[]): void {
  describeProxy(suite, (scene) => {
    // As the first of two: $name would be cut short in reports.
    test.each(rows.map((row) => [row.name, row] as const))("%s", (_, row) => playRow(scene(), row));
  });
}
