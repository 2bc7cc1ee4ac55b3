/** The examples of detection, run as a reader runs them: on the built package. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { buildIfStale } from "../scripts/build.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
beforeAll(() => buildIfStale());

/** What the example prints. */
async function printed(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "./node_modules/tsx/dist/loader.mjs", `examples/${name}.ts`],
    { cwd: root },
  );
  return stdout;
}

it("custom-head.ts: a head of one's own is trained, saved, opened again, and exported", async () => {
  const text = await printed("custom-head");
  expect(text).toMatch(/^step 160 {2}loss \d/m);
  expect(text).toMatch(/^bright {2}[\d ]+ {2}score 0\.\d+$/m);
  expect(text).toContain("written: squares.onnx");
});

it("own-anchors.ts: a detector with anchors of one's own finds what it was shown", async () => {
  const text = await printed("own-anchors");
  expect(text).toMatch(/^a picture is 1 window and takes about \d+ MB$/m);
  expect(text).toMatch(/^8\/8 {2}smear 1000007$/m);
  expect(Number(/AP50 (\S+)/.exec(text)?.[1])).toBeGreaterThan(0.8);
  expect(text).toContain("stopped: seen enough");
});
