/** Checkpoints of other detectors: of another depth, with other heads, of other architectures; names and shapes alone. */
import { expect, test } from "vitest";
import { ConfigError, WeightsError } from "../../errors.ts";
import type { WeightTensor } from "../../weights/index.ts";
import { detectorShapes, matchDetector, torchvisionDetector } from "./weights.ts";

const config = (depth: number) => torchvisionDetector(`fasterrcnn_resnet${depth}_fpn`, { numClasses: 3 });
const none = new Float32Array(0);
const weightsOf = (shapes: Iterable<readonly [string, readonly number[]]>): Map<string, WeightTensor> =>
  new Map([...shapes].map(([name, shape]) => [name, { dtype: "F32", shape, data: none }]));
const ofDepth = (depth: number) => weightsOf(detectorShapes(config(depth)));

test.each([
  [
    101,
    50,
    "holds resnet101 with shortcut B; the network is resnet50 with shortcut B (255 unexpected tensors, the first",
  ],
  [50, 101, "holds resnet50 with shortcut B; the network is resnet101 with shortcut B (255 missing tensors, the first"],
  [34, 18, "holds resnet34"],
  [18, 34, "holds resnet18"],
  [50, 34, "holds resnet50"],
])("a network of depth %i does not pass for one of %i", (from, to, message) => {
  expect(() => matchDetector(ofDepth(from), config(to), "r.pth")).toThrow(WeightsError);
  expect(() => matchDetector(ofDepth(from), config(to), "r.pth")).toThrow(`r.pth: ${message}`);
});

test("heads for masks and keypoints are noted, more of the detector itself is an error", () => {
  const own = ofDepth(18);
  const heads = weightsOf([
    ["roi_heads.mask_head.0.0.weight", [1]],
    ["roi_heads.keypoint_predictor.kps_score_lowres.weight", [1]],
  ]);
  expect(matchDetector(new Map([...own, ...heads]), config(18), "m.pth").unexpected).toEqual([...heads.keys()]);
  const more = weightsOf([["backbone.fpn.extra.p6.weight", [1]]]);
  expect(() => matchDetector(new Map([...own, ...more]), config(18), "m.pth")).toThrow(
    "m.pth: has 1 tensors that the detector has no place for, the first backbone.fpn.extra.p6.weight",
  );
});

test.each([
  ["roi_heads.box_head.0.0.weight", "fasterrcnn_resnet50_fpn_v2"],
  ["backbone.fpn.inner_blocks.0.1.weight", "fasterrcnn_resnet50_fpn_v2"],
  ["backbone.body.4.block.0.0.weight", "fasterrcnn_mobilenet_v3_large_fpn"],
  ["head.classification_head.cls_logits.weight", "RetinaNet"],
])("%s belongs to %s", (name, arch) => {
  const match = () => matchDetector(weightsOf([[name, [1]]]), config(50), "o.pth");
  expect(match).toThrow(WeightsError);
  expect(match).toThrow(new RegExp(`o\\.pth: holds .*${arch}.* not supported; supported are fasterrcnn_resnet50_fpn`));
});

test.each(["fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn"])(
  "--arch %s is named as not supported",
  (arch) => {
    expect(() => torchvisionDetector(arch, { numClasses: 3 })).toThrow(ConfigError);
    expect(() => torchvisionDetector(arch, { numClasses: 3 })).toThrow(
      `--arch ${arch}: is a detector of torchvision that is not supported`,
    );
  },
);
