/** A detector that meets many sizes, and many images at once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adamW } from "../../nn/index.ts";
import { createEngine, type Engine, type Program } from "../../runtime/index.ts";
import { createModel, type StateMap } from "../../train/index.ts";
import { SCENE, scenes, smallDetector } from "../test/scenes.ts";
import { trainingDefinition } from "../training/training.ts";
import { createDetector } from "./detector.ts";
import { recentPrograms } from "./recent-programs.ts";

let engine: Engine;
let weights: StateMap;
const config = smallDetector(2, { detections: { minimumScore: 0 } });
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
  const definition = trainingDefinition(config, "joint", { seed: 5 });
  const model = await createModel(
    { engine, ...definition, optimizer: adamW({ lr: 1e-3 }), seed: 5 },
    definition.example(1, [SCENE[2], SCENE[2]]),
  );
  weights = await model.weights();
  await model.close();
});
afterAll(() => engine.close());

/** Pictures of three sizes, so that each needs its own two programs. */
const pictures = [1, 2, 3].map((times, n) => {
  const side = SCENE[2];
  const { data } = scenes(n, 1, 2, 2);
  const wide = new Float32Array(side * side * times).map((_, i) => data[i % data.length]);
  return { data: wide, size: [side * times, side] };
});

describe("recent programs", () => {
  it("keeps those used last, and closes the one unused for longest before it loads another", async () => {
    const said: string[] = [];
    const load = async (_: Uint8Array, options?: { label?: string }): Promise<Program> => {
      const label = options!.label!;
      said.push(`load ${label}`);
      return { label, close: async () => void said.push(`close ${label}`) } as unknown as Program;
    };
    const programs = recentPrograms({ load }, 2);
    const model = (): Uint8Array => new Uint8Array(0);
    const a = await programs.get("a", model);
    await programs.get("b", model);
    expect(await programs.get("a", model)).toBe(a);
    await programs.get("c", model);
    expect(programs.names).toEqual(["a", "c"]);
    await programs.get("b", model);
    await programs.close();
    expect(said.join()).toBe("load a,load b,close b,load c,close a,load b,close c,close b");
    expect(programs.names).toEqual([]);
  });

  it("does not keep what could not be loaded", async () => {
    let broken = true;
    const load = async (): Promise<Program> => {
      if (broken) throw new Error("broken");
      return { label: "a" } as Program;
    };
    const programs = recentPrograms({ load }, 2);
    await expect(programs.get("a", () => new Uint8Array(0))).rejects.toThrow("broken");
    broken = false;
    expect((await programs.get("a", () => new Uint8Array(0))).label).toBe("a");
  });
});

describe("a detector of many sizes", () => {
  it("finds the same with the least programs as with enough, one image after another or all at once", {
    timeout: 120_000,
  }, async () => {
    const [roomy, tight] = [8, 2].map((programs) => createDetector({ engine, config, weights, programs }));
    const wanted = [];
    for (const picture of pictures) wanted.push(await roomy.detect([picture]));
    expect(wanted.some(([{ labels }]) => labels.length > 0)).toBe(true);
    const again = [];
    for (const picture of pictures) again.push(await tight.detect([picture]));
    expect(again).toEqual(wanted);
    expect(await Promise.all(pictures.map((picture) => roomy.detect([picture])))).toEqual(wanted);
    expect(await Promise.all(pictures.map((picture) => tight.detect([picture])))).toEqual(wanted);
    // One that is refused does not stop the others.
    await expect(tight.detect([])).rejects.toThrow("detector: no images");
    expect(await tight.detect([pictures[0]])).toEqual(wanted[0]);
    await Promise.all([roomy.close(), tight.close()]);
  });

  it("needs two programs", () => {
    expect(() => createDetector({ engine, config, weights, programs: 1 })).toThrow("programs 1; one image needs 2");
  });
});
