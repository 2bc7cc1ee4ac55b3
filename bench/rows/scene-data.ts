/** Scenes as a data set on disk, made once for a recipe; and the lungs they are cut from. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Lung, type Scene, writeScenes } from "../../src/data/index.ts";
import type { DetectionMeasureOptions } from "./detection-runs.ts";

/**
 * Made anew where they are of another recipe or were not finished.
 * @param asked what they are made from, as plain data
 */
export async function scenesOnDisk(
  folder: string,
  asked: object,
  scenes: () => Iterable<Scene>,
  { fresh, say }: Pick<DetectionMeasureOptions, "fresh" | "say">,
): Promise<void> {
  const done = join(folder, "scenes.json");
  const wanted = JSON.parse(JSON.stringify(asked)) as object;
  if (!fresh && existsSync(done) && isDeepStrictEqual(JSON.parse(readFileSync(done, "utf8")), wanted)) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  say(`${folder}: ${await writeScenes(folder, scenes())} scenes`);
  writeFileSync(done, `${JSON.stringify(wanted, null, 2)}\n`);
}

/** The lungs of these CTs, in this order. @throws Error for one that there is not */
export function lungsOf(all: readonly Lung[], names: readonly string[]): Lung[] {
  return names.map((name) => {
    const found = all.find(({ group }) => group === name);
    if (found === undefined)
      throw new Error(`lungs: no CT is called ${name}; there are ${all.map(({ group }) => group).join(", ")}`);
    return found;
  });
}
