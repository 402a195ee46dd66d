import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { playRow, type Row, type Scene } from "./counter_rows.ts";
import type { Network } from "./network.ts";
import { type ManifestOptions, manifest } from "./proxy.ts";

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
    let scene: Scene;
    beforeAll(async () => {
      const network = suite.network();
      const place = network.host.place(manifest(unsampled(suite.options())));
      const proxy = await network.host.start(place, { until: "healthy", wrapper: suite.wrapper ?? [] });
      scene = { network, proxy, ...(suite.backends ? { backends: suite.backends() } : {}) };
    });
    afterAll(() => suite.network().host.clear());
    // What a failed test left must not become the next one's.
    afterEach(() => suite.network().forget());
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
