import { defineConfig } from "vitest/config";

/** Unit tests run side by side; whatever opens sockets or namespaces runs one file at a time. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "net",
          include: ["test/net/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // The same with the upstream level that every host has.
        test: {
          name: "net-sockets",
          include: [
            "test/net/counters{,_undeliverable,_flow_limits,_unforwarded,_workers}.test.ts",
            "test/net/{headers,reload,lifecycle,health}.test.ts",
          ],
          env: { QUICPROXY_TEST_UPSTREAM_LEVEL: "Sockets" },
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Each file keeps its namespaces to itself, and some change what is the machine's.
        test: {
          name: "faults",
          include: ["test/fault/**/*.test.ts"],
          fileParallelism: false,
          maxConcurrency: 4,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "image",
          include: ["test/image/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // `make e2e`, too: it builds what the cluster is made of.
        test: {
          name: "chart",
          include: ["test/chart/**/*.test.ts"],
          globalSetup: "test/chart/global_setup.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // `make e2e`, as the next one: both need Kubernetes.
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: "test/e2e/scene/global_setup.ts",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
