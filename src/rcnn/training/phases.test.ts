/** Schedules run whole, cut off and resumed; what the four steps share at the end. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sgd } from "../../nn/index.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { folderStore, type StateMap } from "../../train/index.ts";
import { createDetector } from "../detect/detector.ts";
import { SCENE, scenes, smallDetector } from "../test/scenes.ts";
import { type ImageSource, type PhasesOptions, trainPhases } from "./phases.ts";
import { alternatingSchedule, jointSchedule } from "./schedule.ts";

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
  folder = await mkdtemp(join(tmpdir(), "medvox-phases-"));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

// Batch norms, so that statistics that should stay are there to stay.
const config = smallDetector(2, { backbone: { norm: "batch" } });
const source: ImageSource = {
  stepsPerEpoch: 2,
  images: 2,
  size: [SCENE[2], SCENE[2]],
  batches: async function* (epoch, fromStep) {
    for (let step = fromStep; step < 2; step++)
      yield { images: scenes(10 * epoch + step, 2, 2, 2), cases: [], waitedMs: 0 };
  },
};
const options = (changes: Partial<PhasesOptions>): PhasesOptions => ({
  engine,
  config,
  schedule: alternatingSchedule,
  source,
  epochs: () => 2,
  optimizer: (groups) => sgd({ lr: 0.02, momentum: 0.9, groups }),
  seed: 5,
  ...changes,
});

const only = (state: StateMap, prefix: string): Record<string, number[]> =>
  Object.fromEntries(
    [...state].filter(([name]) => name.startsWith(prefix)).map(([name, { data }]) => [name, [...data]]),
  );

describe("four-step alternating training", () => {
  it("ends with one backbone, bit for bit, and goes on where it was cut off", { timeout: 300_000 }, async () => {
    const { weights, phases } = await trainPhases(options({ store: folderStore(join(folder, "whole")) }));
    const backbone = only(phases.get("detector-1")!, "backbone.");
    expect(Object.keys(backbone).length).toBeGreaterThan(20);
    for (const name of ["rpn-2", "detector-2"] as const) expect(only(phases.get(name)!, "backbone.")).toEqual(backbone);
    expect(only(weights, "backbone.")).toEqual(backbone);
    expect(only(weights, "rpn.")).toEqual(only(phases.get("rpn-2")!, "rpn."));
    expect(only(weights, "roi_heads.")).toEqual(only(phases.get("detector-2")!, "roi_heads."));
    // Steps 1 and 2 share nothing; 3 and 4 did learn.
    expect(only(phases.get("rpn-1")!, "backbone.")).not.toEqual(backbone);
    expect(only(phases.get("rpn-2")!, "rpn.")).not.toEqual(only(phases.get("rpn-1")!, "rpn."));
    expect(only(weights, "roi_heads.")).not.toEqual(only(phases.get("detector-1")!, "roi_heads."));
    const detector = createDetector({ engine, config, weights });
    const { data, size } = scenes(99, 1, 2);
    expect(await detector.detect([{ data, size }])).toHaveLength(1);
    await detector.close();

    // Cut off inside the second phase and inside the third.
    const place = join(folder, "cut");
    for (const cut of [7, 5]) {
      const stop = new AbortController();
      let steps = 0;
      const onStep = (): void => {
        if (++steps === cut) stop.abort();
      };
      const run = trainPhases(options({ store: folderStore(place), resume: true, signal: stop.signal, onStep }));
      await expect(run).rejects.toSatisfy((error) => error === stop.signal.reason);
    }
    const resumed = await trainPhases(options({ store: folderStore(place), resume: true }));
    for (const part of ["backbone.", "rpn.", "roi_heads."])
      expect(only(resumed.weights, part)).toEqual(only(weights, part));
  });
});

describe("joint training", () => {
  it("tells the loss of held-out images", { timeout: 300_000 }, async () => {
    const losses: number[] = [];
    const { weights } = await trainPhases(
      options({
        schedule: jointSchedule,
        epochs: () => 1,
        validate: async (_, current) => {
          const loss = await current.loss(scenes(500, 2, 2, 2));
          losses.push(loss, await current.loss(scenes(500, 2, 2, 2)));
          return { loss, score: -loss };
        },
      }),
    );
    expect(weights.has("rpn.head.cls_logits.weight")).toBe(true);
    expect(losses[0]).toBeGreaterThan(0);
    expect(losses[1]).toBe(losses[0]);
  });
});
