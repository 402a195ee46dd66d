import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Against a real kube-apiserver, which `make cluster` builds; run with: vitest run --config test/integration/vitest.config.ts */
export default defineConfig({
  root: fileURLToPath(new URL("../../", import.meta.url)),
  test: {
    include: ["test/integration/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 120_000,
  },
});
