/** The made-up data sets that the old runs were trained on, by formulas that must never change: expected values follow from them. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageOf, labelOf, writeDecathlon, writeRated } from "../../src/data/test/made-up.ts";
import { writeSquares } from "../../src/rcnn/test/pictures.ts";
import { writeBlocks } from "../../src/rcnn/test/volumes.ts";
import type { Vec3 } from "../../src/volume/index.ts";

/** Every data set by its name, each with what writes it to a folder of its own. */
const sets: Readonly<Record<string, () => Promise<string>>> = {
  organs: () => cases(5, [16, 24, 16]),
  lefts: () => cases(3, [16, 16, 16]),
  rights: () => cases(4, [18, 16, 16]),
  liver: async () => {
    const root = await cases(4, [24, 20, 16]);
    const listed = Array.from({ length: 4 }, (_, i) => ({
      case: `case_${i}`,
      image: `imagesTr/case_${i}.nii.gz`,
      label: `labelsTr/case_${i}.nii.gz`,
      split: i === 3 ? "test" : "train",
    }));
    const list = { name: "liver", labels: { organ: [1], tumour: [2] }, modality: ["CT"], cases: listed };
    writeFileSync(join(root, "list.json"), JSON.stringify(list));
    return root;
  },
  lesions: () => writeRated(12),
  squares: writeSquares,
  blocks: writeBlocks,
};

function cases(count: number, size: Vec3): Promise<string> {
  return writeDecathlon(
    Array.from({ length: count }, (_, i) => ({ id: `case_${i}`, image: imageOf(size, i), label: labelOf(size, i) })),
  );
}

/** Writes one of the data sets to `ROOT/data/NAME`. */
export async function writeData(root: string, name: string): Promise<void> {
  mkdirSync(join(root, "data"), { recursive: true });
  renameSync(await sets[name](), join(root, "data", name));
}

export const dataNames: readonly string[] = Object.keys(sets);
