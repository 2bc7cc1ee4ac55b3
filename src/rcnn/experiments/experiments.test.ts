/** The RPN's ablations: scores by hand, what is trained, and the whole experiment on made-up squares. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type DetectionImage, vocScores } from "../../metrics/index.ts";
import { random } from "../../random.ts";
import { smallRequest, writeSquares } from "../test/pictures.ts";
import { smallVolumeRequest, writeBlocks } from "../test/volumes.ts";
import { anchorsOfVariant, resolveRpnExperiment, trainingOf } from "./config.ts";
import { runRpnExperiment } from "./run.ts";
import { imageScore, meanAp, rankedImages, recall } from "./scores.ts";
import { testTimeConditions } from "./test-time.ts";

vi.setConfig({ testTimeout: 600_000 });

let data: string;
let work: string;
beforeAll(async () => {
  data = await writeSquares();
  work = await mkdtemp(join(tmpdir(), "medvox-rpn-"));
});
afterAll(async () => {
  for (const folder of [data, work]) await rm(folder, { recursive: true, force: true });
});

/** One level with three sizes and ratios, of few channels. */
const detection = () => ({
  ...smallRequest,
  data,
  epochs: 1,
  validation: 0,
  anchorSizes: [[8, 14, 24]],
  anchorRatios: [0.5, 1, 2],
  detector: {
    ...smallRequest.detector,
    backbone: { normGroups: 8, levels: ["layer1"], pyramidChannels: null, extraLevel: false },
  },
});

describe("scores", () => {
  const truth = { boxes: Float64Array.of(0, 0, 10, 10, 20, 0, 30, 10), labels: [0, 0] };
  const detections = { boxes: Float32Array.of(0, 0, 10, 10, 50, 50, 60, 60), labels: [0, 0], scores: [0.5, 0.75] };

  it("count objects that a proposal overlaps by 0.5 and by 0.7", () => {
    // IoU 0.6 with the first object, 0.8 with the second.
    const proposals = Float32Array.of(0, 0, 10, 6, 20, 0, 30, 8);
    const score = imageScore({ image: "a", truth, detections }, proposals, { axes: 2, classes: 1 });
    expect(score).toEqual({
      image: "a",
      classes: [
        {
          objects: 2,
          found: [
            [0.75, 0],
            [0.5, 1],
          ],
        },
      ],
      proposals: 2,
      objects: 2,
      met50: 2,
      met70: 1,
    });
    expect(recall([[score]], "met70")).toBe(0.5);
    // One of two found, behind one that is wrong: half of the recall at a precision of a half.
    expect(meanAp(1)(rankedImages([score]))).toBe(0.25);
  });

  it("difficult objects and crowds count neither way", () => {
    const given = { ...truth, difficult: [1, 0], crowd: [0, 1] };
    const score = imageScore({ image: "a", truth: given, detections }, new Float32Array(0), { axes: 2, classes: 1 });
    expect(score).toMatchObject({ objects: 0, proposals: 0, classes: [{ objects: 0, found: [[0.75, 0]] }] });
    expect(recall([[score]], "met50")).toBeNull();
    expect(meanAp(1)(rankedImages([score]))).toBeNull();
  });

  it("are VOC's, of all images and of any draw with replacement", () => {
    const stream = random(1, "images");
    const someBoxes = (count: number, labels: number[]) => {
      const boxes = new Float32Array(4 * count);
      for (let i = 0; i < count; i++) {
        const [x, y, side] = [stream.integer(40), stream.integer(40), 8 + stream.integer(8)];
        boxes.set([x, y, x + side, y + side], 4 * i);
        labels.push(stream.integer(2));
      }
      return boxes;
    };
    const images = Array.from({ length: 12 }, (_, i): DetectionImage => {
      const [own, found]: number[][] = [[], []];
      const boxes = someBoxes(5, own);
      // Half of the detections lie near objects.
      const guesses = someBoxes(6, found);
      for (let d = 0; d < 3; d++) {
        guesses.set(
          boxes.subarray(4 * d, 4 * d + 4).map((v) => v + stream.integer(3) - 1),
          4 * d,
        );
        found[d] = own[d];
      }
      const scores = found.map(() => stream.uniform());
      return {
        image: String(i).padStart(2, "0"),
        truth: { boxes, labels: own },
        detections: { boxes: guesses, labels: found, scores },
      };
    });
    const ranked = rankedImages(images.map((image) => imageScore(image, new Float32Array(0), { axes: 2, classes: 2 })));
    const options = { axes: 2, classes: ["a", "b"] } as const;
    expect(meanAp(2)(ranked)).toBeCloseTo(vocScores(images, options).map!, 12);
    for (let draw = 0; draw < 10; draw++) {
      const drawn = Array.from(images, () => stream.integer(images.length));
      const wanted = vocScores(
        drawn.map((i) => images[i]),
        options,
      ).map!;
      expect(meanAp(2)(drawn.map((i) => ranked[i]))).toBeCloseTo(wanted, 12);
    }
  });
});

describe("what is asked", () => {
  const resolve = (changes: object = {}) => resolveRpnExperiment({ detection: detection(), ...changes });

  it("anchors: one scale or all, one ratio or all", () => {
    const config = resolve();
    expect(anchorsOfVariant(config, "one", 2)).toEqual({ sizes: [[14]], ratios: [1] });
    expect(anchorsOfVariant(config, "ratios", 2)).toEqual({ sizes: [[14]], ratios: [0.5, 1, 2] });
    expect(anchorsOfVariant(config, "scales", 2)).toEqual({ sizes: [[8, 14, 24]], ratios: [1] });
    expect(anchorsOfVariant(resolve({ scale: 24 }), "one", 2).sizes).toEqual([[24]]);
    expect(trainingOf(config, "one", "joint", 3, 2)).toMatchObject({
      seed: 3,
      splitSeed: 0,
      detector: { anchors: { sizes: [[14]], ratios: [1] } },
    });
  });

  it("conditions of a trained detector, each with its own rule", () => {
    const config = resolve({ conditions: ["proposals", "nms", "cls", "reg"], proposals: [7], drawn: [5] });
    const rules = testTimeConditions(config, 0).map(({ name, rule }) => [name, rule("image")]);
    expect(rules).toMatchObject([
      ["full", {}],
      ["proposals-7", { after: 7 }],
      ["without-nms", { suppress: false, before: 6000, after: 6000 }],
      ["without-cls-5", { suppress: false, before: Number.POSITIVE_INFINITY, after: 5 }],
      ["without-reg", { regress: false }],
    ]);
  });

  it.each([
    [{ conditions: ["anchor"] }, 'conditions[0]: "anchor"; must be one of anchors, proposals, nms, cls, reg, sharing'],
    [{ seedz: 2 }, "seedz: is no setting. Did you mean seeds?"],
  ])("%j is refused", (changes, message) => {
    expect(() => resolve(changes)).toThrow(message);
  });

  it.each([
    [{ seed: 1 }, "detection.seed: is set by the experiment"],
    [{ schedule: "joint" }, "detection.schedule: is set by the experiment"],
    [{ anchorRatios: [1] }, "conditions: anchors wants several sizes and ratios; the detector has 8, 14, 24 and 1"],
    [{ anchorSizes: [[8, 20]], anchorRatios: [1, 2] }, "scale: 14; the detector has 8, 20"],
    [{ epoch: 1 }, "epoch: is no setting. Did you mean epochs?"],
    [
      { anchorSizes: [[12], [20]], detector: smallRequest.detector },
      "conditions: anchors wants a detector of one level with all sizes there (preset paper); this one has 2 levels",
    ],
  ])("of the detection, %j is refused", (changes, message) => {
    const config = () => resolve({ scale: 14, detection: { ...detection(), ...changes } });
    expect(() => anchorsOfVariant(config(), "one", 2)).toThrow(message);
  });
});

describe("the experiment", () => {
  const request = () => ({ detection: detection(), proposals: [20, 5], unsuppressed: 60, drawn: [10] });
  const out = () => join(work, "whole");

  it("trains what has to be trained, and scores every condition on the same images", async () => {
    const done: string[] = [];
    const { trials, findings } = await runRpnExperiment(request(), {
      out: out(),
      onScored: ({ target, condition }) => done.push(`${target} ${condition}`),
    });
    expect(done).toEqual(["all joint", "scales joint", "ratios joint", "one joint", "all alternating"]);
    const [base, , , , alternating] = trials;
    expect(Object.keys(base.conditions)).toEqual([
      "full",
      "proposals-20",
      "proposals-5",
      "without-nms",
      "without-cls-10",
      "without-reg",
    ]);
    const counts = (name: string) => base.conditions[name].map(({ proposals }) => proposals);
    expect(base.conditions.full.map(({ image }) => image)).toEqual(["p6", "p7", "p8"]);
    expect(counts("proposals-5")).toEqual([5, 5, 5]);
    expect(counts("without-cls-10")).toEqual([10, 10, 10]);
    expect(counts("without-nms")).toEqual([60, 60, 60]);
    expect(Object.keys(alternating.conditions)).toEqual(["full", "unshared"]);
    // Three batches of two an epoch; one epoch, in four steps four.
    expect(trials.map(({ steps }) => steps)).toEqual([3, 3, 3, 3, 12]);
    expect(findings.table.rows.map(([name]) => name)).toEqual([
      "joint training, 3 scales, 3 ratios",
      "3 scales, 1 ratio",
      "1 scale, 3 ratios",
      "1 scale, 1 ratio",
      "20 proposals",
      "5 proposals",
      "without NMS, best 60",
      "without cls, 10 at random",
      "without reg, anchors",
      "four steps, shared",
      "steps 1 and 2, unshared",
    ]);
    expect(findings.table.columns.slice(5, 7)).toEqual(["bright", "dark"]);
    expect(findings.charts.map(({ kind }) => kind)).toEqual(["forest", "curve"]);
    for (const name of ["table.csv", "charts.svg", "report.html", "results.json"])
      expect(existsSync(join(out(), name)), name).toBe(true);
    expect(readFileSync(join(out(), "report.html"), "utf8")).toContain("What the parts of the RPN bring");
    // Weights are not kept unless asked for; settings and logs are.
    for (const trial of readdirSync(join(out(), "trials"))) {
      const files = readdirSync(join(out(), "trials", trial), { recursive: true, encoding: "utf8" });
      expect(files.filter((file) => /safetensors$/.test(file))).toEqual([]);
      expect(files).toContain("run.json");
    }
  });

  it("the same command runs nothing that was scored, and another request is refused", async () => {
    const done: string[] = [];
    const again = await runRpnExperiment(request(), { out: out(), onScored: ({ target }) => done.push(target) });
    expect([done, again.trials.length]).toEqual([[], 5]);
    await expect(runRpnExperiment({ ...request(), seeds: 2 }, { out: out() })).rejects.toThrow(
      "holds another experiment",
    );
  });

  it("stopped in a step of four, it goes on there and ends with the same scores", async () => {
    const folder = join(work, "stopped");
    const asked = { ...request(), conditions: ["sharing"] };
    const stop = new AbortController();
    let epochs = 0;
    const first = runRpnExperiment(asked, {
      out: folder,
      signal: stop.signal,
      // The joint training has one epoch; then the second of the four steps.
      onEpoch: () => void (++epochs === 3 && stop.abort()),
    });
    await expect(first).rejects.toSatisfy((error) => error === stop.signal.reason);
    const { trials } = await runRpnExperiment(asked, { out: folder });
    const whole = await runRpnExperiment(request(), { out: out() });
    expect(trials.map(({ conditions }) => conditions)).toEqual(
      [whole.trials[0], whole.trials[4]].map(({ conditions: { full, unshared } }) =>
        unshared === undefined ? { full } : { full, unshared },
      ),
    );
  });

  it("volumes: the same, on their own grid", async () => {
    const blocks = await writeBlocks();
    try {
      const asked = {
        conditions: ["proposals", "cls", "reg"],
        proposals: [5],
        drawn: [8],
        detection: { ...smallVolumeRequest, data: blocks, epochs: 1, validation: 0 },
      };
      const { trials, findings } = await runRpnExperiment(asked, { out: join(work, "volumes") });
      expect(trials.map(({ target, scales, ratios }) => [target, scales, ratios])).toEqual([["all", 2, 1]]);
      const [{ conditions }] = trials;
      expect(Object.values(conditions).map(([image]) => image.objects)).toEqual([2, 2, 2, 2]);
      expect(
        Object.values(conditions)
          .map(([image]) => image.proposals)
          .slice(1, 3),
      ).toEqual([5, 8]);
      expect(findings.table.rows).toHaveLength(4);
    } finally {
      await rm(blocks, { recursive: true, force: true });
    }
  });
});
