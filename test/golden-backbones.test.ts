/**
 * torchvision's classifiers as backbones (`oracle/torchvision_backbones.py`): every tensor of their state_dicts finds its place but the
 * classifier's own, and the maps are torchvision's.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSafetensors } from "../src/files/index.ts";
import { graph } from "../src/graph/index.ts";
import { featureMaps } from "../src/rcnn/network/network.ts";
import { preset } from "../src/rcnn/network/presets.ts";
import { readDetectorStart } from "../src/rcnn/network/weights.ts";
import { createEngine, type Engine } from "../src/runtime/index.ts";
import { encodeBaked } from "../src/train/index.ts";
import type { WeightTensor } from "../src/weights/index.ts";
import { countOf, expectGolden, formula, type GoldenArray, parametersByFormula, readGolden } from "./golden-values.ts";

interface Network {
  readonly name: string;
  readonly state: Readonly<Record<string, readonly number[]>>;
  readonly maps?: readonly GoldenArray[];
}

const { networks } = readGolden<{ networks: Network[] }>("backbones.json");
const work = mkdtempSync(join(tmpdir(), "medvox-backbones-"));
let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(async () => {
  await engine.close();
  rmSync(work, { recursive: true, force: true });
});

const isCounter = (name: string): boolean => name.endsWith("num_batches_tracked");
const isClassifiers = (name: string): boolean => /^(fc|classifier)\./.test(name);

/** The file torchvision would save; of networks whose maps are not compared with zeros, and no classifier larger than its name. */
function stateOf({ state, maps }: Network): Map<string, WeightTensor> {
  const own = new Map(Object.entries(state).filter(([name]) => !isCounter(name) && !isClassifiers(name)));
  const values = maps === undefined ? undefined : parametersByFormula(own);
  return new Map(
    Object.entries(state).map(([name, shape]): [string, WeightTensor] => {
      if (isCounter(name)) return [name, { dtype: "I64", shape: [], data: BigInt64Array.of(0n) }];
      if (isClassifiers(name)) return [name, { dtype: "F32", shape: shape.map(() => 1), data: new Float32Array(1) }];
      return [name, { dtype: "F32", shape: [...shape], data: values?.get(name) ?? new Float32Array(countOf(shape)) }];
    }),
  );
}

describe.each(networks.map((network) => [network.name, network] as const))("%s", (name, network) => {
  test("all but the classifier finds its place", { timeout: 120_000 }, async () => {
    const vgg = name === "vgg16";
    const depth = Number(name.replace(/^\D+/, "")) as 18;
    const config = vgg ? preset("paper", { classes: 2 }) : preset("modern", { classes: 2, depth });
    const file = join(work, `${name}.safetensors`);
    await writeSafetensors(file, stateOf(network), {});
    const { weights, report } = (await readDetectorStart({ from: null, backbone: file }, config))!;
    rmSync(file);
    const wanted = Object.entries(network.state).filter(([key]) => !isCounter(key) && !isClassifiers(key));
    const prefix = vgg ? "backbone." : "backbone.body.";
    const found = [...weights].map(([key, { shape }]) => [key.slice(prefix.length), shape]);
    expect(found.sort()).toEqual(wanted.map(([key, shape]) => [key, shape]).sort());
    expect([...weights.keys()].every((key) => key.startsWith(prefix))).toBe(true);
    const counters = Object.keys(network.state).filter(isCounter).length;
    expect(report).toContain(`${wanted.length + counters} matched`);
    if (network.maps === undefined) return;

    const g = graph();
    // The stages themselves, without the pyramid above them.
    const stages = { ...config, backbone: { ...config.backbone, pyramidChannels: null } };
    const maps = featureMaps(g.input("image", [1, 3, 64, 96]), stages);
    const outputs = Object.fromEntries(maps.map((map, i) => [`map${i}`, map]));
    const program = await engine.load(encodeBaked({ graph: g, outputs }, weights), { label: name });
    const image = { data: formula(41, 3 * 64 * 96), shape: [1, 3, 64, 96] };
    const { outputs: computed } = await program.run({ image });
    await program.close();
    for (const [i, golden] of network.maps.entries()) {
      const map = computed[`map${i}`];
      expectGolden(`map ${i}`, { data: map.data as Float32Array, shape: map.shape }, golden);
    }
  });
});
