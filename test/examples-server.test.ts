/** The server of docs/how-to/server.md, run as it stands, from the built package. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readVolume } from "../src/files/index.ts";
import { thresholdModel } from "../src/med3d/test/threshold-model.ts";
import { workFolder } from "./cli/medvox.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const sample = join(root, "samples/hippocampus/imagesTr/hippocampus_001.nii.gz");
const work = workFolder("server");
let server: ReturnType<typeof spawn>;
let address = "";

beforeAll(async () => {
  const model = join(work, "model.onnx");
  writeFileSync(model, thresholdModel([16, 16, 16]));
  const loader = join(root, "node_modules/tsx/dist/loader.mjs");
  server = spawn(process.execPath, ["--import", loader, "examples/server.ts", model, "0"], { cwd: root });
  let said = "";
  server.stderr!.on("data", (data) => {
    said += data;
  });
  address = await new Promise<string>((resolve, reject) => {
    server.stdout!.on("data", (data) => {
      const found = /http:\/\/localhost:\d+/.exec(String(data));
      if (found) resolve(found[0]);
    });
    server.once("exit", () => reject(new Error(said)));
  });
}, 120_000);
afterAll(async () => {
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await ended;
});

const post = (body: Uint8Array<ArrayBuffer>) => fetch(`${address}/masks`, { method: "POST", body });

test("an image is estimated, predicted, told about and fetched", { timeout: 120_000 }, async () => {
  const answer = await post(new Uint8Array(readFileSync(sample)));
  expect(answer.status).toBe(202);
  const { id, windows, bytes } = await answer.json();
  expect(windows).toBeGreaterThan(1);
  expect(bytes).toBeGreaterThan(1e6);
  await expect
    .poll(async () => (await (await fetch(`${address}/masks/${id}`)).json()).state, { timeout: 100_000 })
    .toBe("done");
  const mask = await fetch(`${address}/masks/${id}/mask.nii.gz`);
  const path = join(work, "mask.nii.gz");
  writeFileSync(path, new Uint8Array(await mask.arrayBuffer()));
  expect((await readVolume(path)).size).toEqual((await readVolume(sample)).size);
  expect((await fetch(`${address}/masks/${id}`, { method: "DELETE" })).status).toBe(204);
  expect((await fetch(`${address}/masks/${id}`)).status).toBe(404);
});

test("what is no image is the sender's mistake, told in one line", { timeout: 60_000 }, async () => {
  const answer = await post(new TextEncoder().encode("no volume"));
  expect(answer.status).toBe(422);
  expect((await answer.json()).error).toMatch(/-image\.nii\.gz: /);
});
