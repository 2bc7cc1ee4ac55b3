/** Which of a backbone's stages learn, by torchvision's count. */
import { describe, expect, it } from "vitest";
import {
  type DetectionRequest,
  detectorOf,
  detectorOptimizer,
  frozenStages,
  resolveDetectionConfig,
} from "./config.ts";

const names = {
  resnet: ["conv1.weight", "bn1.weight", ...[1, 2, 3, 4].map((n) => `layer${n}.0.conv1.weight`)].map(
    (name) => `body.${name}`,
  ),
  vgg16: [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28].map((n) => `features.${n}.weight`),
};

/** The names, without the path, that stay. */
function still(request: Omit<DetectionRequest, "data">): string[] {
  const config = resolveDetectionConfig({ data: "cells", ...request });
  const detector = detectorOf(config, 2, 2);
  const groups = frozenStages(config, detector);
  const all = [...names[detector.backbone.kind === "vgg16" ? "vgg16" : "resnet"], "fpn.layer_blocks.0.0.weight"];
  return all.filter((name) => groups.some(({ match, frozen }) => frozen && match.test(`backbone.${name}`)));
}

describe("trainableStages", () => {
  it("is 5 from random weights and 3 from given ones, as in torchvision", () => {
    expect(still({})).toEqual([]);
    expect(still({ backbone: "r50.pth" })).toEqual([
      "body.conv1.weight",
      "body.bn1.weight",
      "body.layer1.0.conv1.weight",
    ]);
    expect(still({ from: "coco.pth", trainableStages: 5 })).toEqual([]);
    expect(still({ from: "coco.pth", trainableStages: 0 })).toEqual(names.resnet);
    expect(still({ from: "coco.pth", trainableStages: 4, norm: "group" })).toEqual([
      "body.conv1.weight",
      "body.bn1.weight",
    ]);
  });
  it("lets VGG-16 learn from conv3_1, as the paper does", () => {
    expect(still({ preset: "paper", backbone: "vgg16.pth" })).toEqual([0, 2, 5, 7].map((n) => `features.${n}.weight`));
    expect(still({ preset: "paper", backbone: "vgg16.pth", trainableStages: 1 })).toEqual(names.vgg16.slice(0, 10));
    expect(still({ preset: "paper" })).toEqual([]);
  });
  it("does not hold still what has batch norms, whose statistics would move on", () => {
    expect(still({ backbone: "r50.pth", norm: "batch" })).toEqual([]);
    expect(() => still({ backbone: "r50.pth", norm: "batch", trainableStages: 3 })).toThrow(
      "trainableStages: 3; statistics of batch norms would go on moving, use norm frozen or group",
    );
  });
  it("holds nothing still that is random", () => {
    expect(() => still({ trainableStages: 3 })).toThrow(
      "trainableStages: 3; stages that stay as they are need weights",
    );
  });
});

describe("detectorOptimizer", () => {
  /** Learning-rate factor and weight decay of a parameter. */
  const treated = (request: Omit<DetectionRequest, "data">, name: string): [number, number] => {
    const { groups, weightDecay } = detectorOptimizer(resolveDetectionConfig({ data: "cells", ...request }), []);
    const group = groups.find(({ match }) => match.test(name));
    return [group?.lrFactor ?? 1, group?.weightDecay ?? weightDecay];
  };
  it("is the one asked for", () => {
    const names = (["sgd", "adamW", "adam"] as const).map(
      (optimizer) => detectorOptimizer(resolveDetectionConfig({ data: "cells", optimizer }), []).name,
    );
    expect(names).toEqual(["sgd", "adamW", "adam"]);
  });
  it("lets what stands on the backbone learn newLayerRate times as fast; norms and biases do not decay", () => {
    const request = { newLayerRate: 10, weightDecay: 0.1 };
    expect(treated(request, "backbone.body.layer1.0.conv1.weight")).toEqual([1, 0.1]);
    expect(treated(request, "backbone.body.layer1.0.bn1.weight")).toEqual([1, 0]);
    expect(treated(request, "backbone.fpn.inner_blocks.0.0.weight")).toEqual([10, 0.1]);
    expect(treated(request, "rpn.head.cls_logits.bias")).toEqual([10, 0]);
    expect(treated({ weightDecay: 0.1 }, "rpn.head.cls_logits.weight")).toEqual([1, 0.1]);
  });
});
