import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "scripts/**/*.test.ts", "bench/**/*.test.ts"],
    // Two cores: the engine uses both, so test files run at most two at a time, in child processes.
    pool: "forks",
    maxWorkers: 2,
    // These end what hangs. How long sound tests take is the machine's affair: beside others it may be ten times as long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
