import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { spawnWorker } from "./threads.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "medvox-threads-"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function firstMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`exited with ${code} before a message`)));
  });
}

describe("spawnWorker", () => {
  it("starts a TypeScript worker beside a TypeScript caller, imports with .ts extensions included", async () => {
    writeFileSync(join(folder, "double.ts"), "export const double = (x: number): number => 2 * x;\n");
    writeFileSync(
      join(folder, "answer.ts"),
      `import { parentPort, workerData } from "node:worker_threads";
       import { double } from "./double.ts";
       parentPort!.postMessage({ answer: double(workerData.x as number) });`,
    );
    const worker = spawnWorker(pathToFileURL(join(folder, "caller.ts")), "./answer", { x: 21 });
    expect(await firstMessage(worker)).toEqual({ answer: 42 });
    await worker.terminate();
  });

  it("starts the compiled worker beside a compiled caller", async () => {
    writeFileSync(
      join(folder, "next.js"),
      `import { parentPort, workerData } from "node:worker_threads"; parentPort.postMessage(workerData.x + 1);`,
    );
    const worker = spawnWorker(pathToFileURL(join(folder, "caller.js")).href, "./next", { x: 1 });
    expect(await firstMessage(worker)).toBe(2);
    await worker.terminate();
  });

  it("reports a module that is not there as an error event", async () => {
    const worker = spawnWorker(pathToFileURL(join(folder, "caller.ts")), "./missing");
    await expect(firstMessage(worker)).rejects.toThrow(/missing/);
  });

  it("reports an exception while the module loads as an error event", async () => {
    writeFileSync(join(folder, "broken.ts"), `throw new Error("broken on purpose" as string);`);
    const worker = spawnWorker(pathToFileURL(join(folder, "caller.ts")), "./broken");
    await expect(firstMessage(worker)).rejects.toThrow("broken on purpose");
  });
});
