import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { command } from "./commands/detect-evaluate.ts";
import { styleFor } from "./style.ts";

let root: string;
const truth = {
  images: [{ id: 1, file_name: "a.png", width: 20, height: 10 }],
  annotations: [{ image_id: 1, category_id: 7, bbox: [1, 2, 3, 4] }],
  categories: [{ id: 7, name: "cat" }],
};
const found = [{ image_id: 1, category_id: 7, bbox: [1, 2, 3, 4], score: 0.9 }];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "medvox-results-"));
  await writeFile(join(root, "truth.json"), JSON.stringify(truth));
  await writeFile(join(root, "found.json"), JSON.stringify(found));
  await writeFile(join(root, "other.json"), JSON.stringify([{ ...found[0], category_id: 4 }]));
  const small = { ...truth, annotations: [{ ...truth.annotations[0], category_id: 8 }] };
  await writeFile(join(root, "unknown.json"), JSON.stringify(small));
});
afterAll(() => rm(root, { recursive: true }));

describe("detect evaluate --results", () => {
  const context = { signal: new AbortController().signal, style: styleFor({}) } as CommandContext;
  const run = (options: object, ...args: unknown[]) => command.run(context, options, ...args);
  const at = (name: string): string => join(root, name);

  it("scores without a run and without the pictures", async () => {
    const { document, text } = await run({ results: at("found.json"), data: at("truth.json") });
    expect(document).toMatchObject({ ap50: expect.closeTo(1, 12), images: 1, problems: { count: 0 } });
    expect(text.split("\n")[0]).toBe("scored       cat 1.000 · mean AP50 1.000   1 picture");
  });

  it.each([
    [{ results: "found.json" }, [], ConfigError, "--results needs --data"],
    [{ results: "found.json", data: "truth.json" }, ["runs/x"], ConfigError, "scored without a run; leave out runs/x"],
    [{ results: "found.json", data: "truth.json", tile: [9, 9, 9] }, [], ConfigError, "--tile is for runs"],
    [{}, [], ConfigError, "name a run, or results with --results FILE --data SET"],
    [{ results: "other.json", data: "truth.json" }, [], DataError, "[0].category_id: 4 is no class of"],
    [{ results: "found.json", data: "unknown.json" }, [], DataError, 'class "8" is not known'],
  ])("%j %j is refused", async (asked, args, kind, reason) => {
    const paths = Object.entries(asked).map(([key, value]) => [key, typeof value === "string" ? at(value) : value]);
    const failed = run(Object.fromEntries(paths), ...args);
    await expect(failed).rejects.toThrow(kind);
    await expect(failed).rejects.toThrow(reason);
  });
});
