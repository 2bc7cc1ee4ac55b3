/**
 * Starting a worker thread from a module of this package, whether it runs from TypeScript sources (tests, `tsx`) or
 * from the compiled `dist`.
 *
 * Why this is not just `new Worker(new URL("./worker.ts", import.meta.url))`: TypeScript rewrites the extensions of
 * imports but not of URLs, so in `dist` that file is missing; and `--import tsx` does not reach worker threads. So the
 * caller names its own URL and the worker's stem, and the extension follows the caller's: `.ts` beside `.ts`, `.js`
 * beside `.js`. A TypeScript worker starts in a two-line script that registers tsx's loader and then imports the module.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts the worker module `stem` (relative, without extension, e.g. `"./worker"`) that lies beside the module whose
 * `import.meta.url` is `callerUrl`. The module reads `workerData` and `parentPort` from `node:worker_threads` as usual.
 * A module that fails to load is an `error` event of the returned worker.
 */
export function spawnWorker(
  callerUrl: string | URL,
  stem: string,
  workerData?: unknown,
  options: Omit<WorkerOptions, "workerData" | "eval"> = {},
): Worker {
  const fromSource = new URL(callerUrl).pathname.endsWith(".ts");
  const module = new URL(`${stem}.${fromSource ? "ts" : "js"}`, callerUrl);
  if (!fromSource) return new Worker(module, { ...options, workerData });
  const bootstrap = `
    import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
      register();
      return import(${JSON.stringify(module.href)});
    });`;
  // The parent's own loader flags (`--import tsx`, vitest's hooks) must not run a second time in the worker.
  return new Worker(bootstrap, { execArgv: [], ...options, workerData, eval: true });
}
