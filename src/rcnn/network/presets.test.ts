/** The presets' networks by name and shape, what a configuration is refused for, and a step of each kind of head. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../errors.ts";
import { graph } from "../../graph/index.ts";
import { sgd } from "../../nn/index.ts";
import { random } from "../../random.ts";
import { createEngine, type Engine } from "../../runtime/index.ts";
import { createModel } from "../../train/index.ts";
import { createDetector } from "../detect/detector.ts";
import { layoutOf } from "../parts/layout.ts";
import { SCENE, scenes, smallDetector } from "../test/scenes.ts";
import { trainingDefinition } from "../training/training.ts";
import { type DetectorConfig, parseDetector } from "./config.ts";
import { featureMaps, regionOutputs, rpnOutputs } from "./network.ts";
import { preset } from "./presets.ts";

/** Names and shapes of a detector's parameters. */
function parametersOf(config: DetectorConfig, size: readonly number[]): Map<string, readonly number[]> {
  const g = graph();
  const layout = layoutOf(config, 1, size);
  const maps = featureMaps(g.input("image", layout.input), config);
  rpnOutputs(maps, config);
  const inputs = Object.fromEntries(
    Object.entries(layout.pooling.types(4)).map(([name, { shape, dtype }]) => [name, g.input(name, shape, dtype)]),
  );
  regionOutputs(layout.pooling.pooled(maps, inputs), config);
  return new Map([...g.parameters].map(([name, { shape }]) => [name, shape]));
}

describe("presets", () => {
  it("paper: VGG-16, two scores an anchor, nine anchors, fc 4096", () => {
    const names = parametersOf(preset("paper", { classes: 21 }), [320, 240]);
    expect(names.get("backbone.features.28.weight")).toEqual([512, 512, 3, 3]);
    expect(names.get("rpn.head.cls_logits.weight")).toEqual([18, 512, 1, 1]);
    expect(names.get("rpn.head.bbox_pred.weight")).toEqual([36, 512, 1, 1]);
    expect(names.get("roi_heads.box_head.fc6.weight")).toEqual([4096, 25088]);
    expect(names.get("roi_heads.box_predictor.bbox_pred.weight")).toEqual([84, 4096]);
  });

  it.each([
    [preset("modern", { classes: 2 }), [128, 96]],
    [preset("modern", { classes: 2, axes: 3 }), [96, 96, 64]],
    [preset("paper", { classes: 2 }), [128, 96]],
  ])("has an output for each of its anchors", (config, size) => {
    const layout = layoutOf(config, 1, size);
    const g = graph();
    const { objectness, deltas } = rpnOutputs(featureMaps(g.input("image", layout.input), config), config);
    const count = layout.anchors.boxes.length / (2 * config.axes);
    expect([objectness.shape, deltas.shape]).toEqual([
      [1, count],
      [1, count, 2 * config.axes],
    ]);
  });

  it("paper: ResNet C4 with layer4 as the head", () => {
    const names = parametersOf(preset("paper", { classes: 21, backbone: "resnet", depth: 101 }), [320, 240]);
    expect([...names.keys()].filter((name) => name.startsWith("backbone.body.layer3.")).length).toBe(23 * 15 + 5);
    expect([...names.keys()].some((name) => name.startsWith("backbone.body.layer4."))).toBe(false);
    expect(names.get("roi_heads.layer4.0.downsample.0.weight")).toEqual([2048, 1024, 1, 1]);
    expect(names.get("roi_heads.box_predictor.cls_score.weight")).toEqual([21, 2048]);
  });

  it.each([18, 34, 50, 101] as const)("modern: ResNet-%d with a pyramid", (depth) => {
    const names = parametersOf(preset("modern", { classes: 4, depth }), [320, 256]);
    const wide = depth < 50 ? 512 : 2048;
    expect(names.get("backbone.fpn.inner_blocks.3.0.weight")).toEqual([256, wide, 1, 1]);
    expect(names.get("roi_heads.box_head.fc6.weight")).toEqual([1024, 12544]);
  });

  it("a narrow backbone has the same names; what stands on it takes its channels", () => {
    const usual = preset("paper", { classes: 4, backbone: "resnet", depth: 50 });
    const wide = parametersOf(usual, [320, 256]);
    const narrow = parametersOf(parseDetector({ ...usual, backbone: { ...usual.backbone, width: 8 } }), [320, 256]);
    expect([...narrow.keys()]).toEqual([...wide.keys()]);
    expect(narrow.get("backbone.body.conv1.weight")).toEqual([8, 3, 7, 7]);
    expect(narrow.get("rpn.head.conv.0.0.weight")).toEqual([512, 128, 3, 3]);
    expect(narrow.get("roi_heads.layer4.0.downsample.0.weight")).toEqual([256, 128, 1, 1]);
    const vgg = preset("paper", { classes: 4 });
    expect(() => parseDetector({ ...vgg, backbone: { ...vgg.backbone, width: 8 } })).toThrow("backbone.width: 8");
  });

  it.each([
    [512, 0.01],
    [256, 0.01],
    [16, 0.04],
  ])("the RPN on %d channels begins with deviations of %d", (channels, deviation) => {
    const usual = preset("modern", { classes: 2, axes: 3, depth: 10 });
    const g = graph();
    const config = parseDetector({ ...usual, backbone: { ...usual.backbone, pyramidChannels: channels } });
    rpnOutputs(featureMaps(g.input("image", [1, 1, 32, 32, 32]), config), config);
    for (const name of ["conv.0.0", "cls_logits", "bbox_pred"]) {
      const { source } = g.parameters.get(`rpn.head.${name}.weight`)!;
      if (source.kind !== "parameter") throw new Error(name);
      const values = source.info.initialize([100, 10, 10], random(1, name));
      expect(Math.hypot(...values) / 100).toBeCloseTo(deviation, 3);
    }
  });

  it("modern in 3D: Med3D's ResNet with a pyramid", () => {
    const names = parametersOf(preset("modern", { classes: 2, axes: 3 }), [64, 64, 64]);
    expect(names.get("backbone.body.conv1.weight")).toEqual([64, 1, 7, 7, 7]);
    expect(names.get("backbone.fpn.layer_blocks.0.0.weight")).toEqual([128, 128, 3, 3, 3]);
    expect(names.get("rpn.head.bbox_pred.weight")).toEqual([24, 128, 1, 1, 1]);
  });

  it.each([
    ["paper", 2],
    ["modern", 2],
    ["modern", 3],
  ] as const)("%s in %dD: a score and deltas for every anchor", (name, axes) => {
    const config = preset(name, { classes: 2, axes });
    const layout = layoutOf(config, 1, [64, 96, 64].slice(0, axes));
    const g = graph();
    const { objectness, deltas } = rpnOutputs(featureMaps(g.input("image", layout.input), config), config);
    const anchors = layout.anchors.boxes.length / (2 * axes);
    expect(objectness.shape).toEqual([1, anchors]);
    expect(deltas.shape).toEqual([1, anchors, 2 * axes]);
  });

  it("refuse what does not fit, by name", () => {
    const modern = preset("modern", { classes: 4 });
    expect(() => preset("paper", { classes: 2, axes: 3 })).toThrow(ConfigError);
    expect(() => parseDetector({ ...modern, anchors: { ...modern.anchors, sizes: [[32]] } })).toThrow(
      "anchors.sizes: sizes for 1 levels, the backbone has 5",
    );
    const uneven = { ...modern.anchors, sizes: [[32], [64], [128], [256, 300], [512]] };
    expect(() => parseDetector({ ...modern, anchors: uneven })).toThrow(
      "anchors.sizes[3]: 2 sizes, anchors.sizes[0] has 1; all levels need as many",
    );
    expect(() => parseDetector({ ...modern, regions: { ...modern.regions, pooling: "max" } })).toThrow("one level");
    expect(() => parseDetector({ ...modern, classes: 1 })).toThrow("detector: classes");
    expect(() => parseDetector({ ...modern, rpn: { ...modern.rpn, lamda: 1 } })).toThrow("lamda");
  });
});

describe("a step and a detection", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 });
  });
  afterAll(() => engine.close());

  const single = { levels: ["layer2"], pyramidChannels: null };
  const plainAnchors = { sizes: [[8, 16]], ratios: [0.5, 1, 2] };
  const paperRpn = { objectness: "softmax", dropBoundary: true, lossNormalisation: "paper", lambda: 10, channels: 32 };
  it.each([
    [
      "the paper's: softmax, max-pooling, dropout",
      smallDetector(2, {
        backbone: single,
        anchors: { ...plainAnchors, style: "paper" },
        rpn: paperRpn,
        regions: { pooling: "max", dropout: 0.5, initialisation: "gaussian" },
      }),
    ],
    [
      "the paper's in 3D",
      smallDetector(3, { backbone: single, anchors: plainAnchors, rpn: paperRpn, regions: { pooling: "max" } }),
    ],
    [
      "layer4 as the head",
      smallDetector(2, {
        backbone: { ...single, levels: ["layer3"] },
        anchors: plainAnchors,
        regions: { head: "layer4", classAgnostic: true },
      }),
    ],
    ["soft suppression", smallDetector(2, { detections: { soft: { method: "gaussian" } } })],
  ])("%s", { timeout: 300_000 }, async (_, config) => {
    const { axes } = config;
    const definition = trainingDefinition(config, "joint");
    const size = new Array<number>(axes).fill(SCENE[axes]);
    const model = await createModel(
      { engine, ...definition, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) },
      definition.example(2, size),
    );
    const losses: number[] = [];
    for (let step = 1; step <= 6; step++) {
      const { loss, monitored } = await model.step([definition.feeds(scenes(1, 2, axes, 2), "same")], step, 0.01);
      expect(Object.keys(monitored!)).toEqual([
        "loss_objectness",
        "loss_rpn_box_reg",
        "loss_classifier",
        "loss_box_reg",
      ]);
      losses.push(loss);
    }
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses[5]).toBeLessThan(losses[0]);
    const detector = createDetector({ engine, config, weights: await model.weights() });
    const { data } = scenes(2, 1, axes);
    const [{ boxes, scores }] = await detector.detect([{ data, size }]);
    expect(boxes.length).toBe(scores.length * 2 * axes);
    await detector.close();
    await model.close();
  });
});
