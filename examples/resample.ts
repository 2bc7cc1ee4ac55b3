/**
 * Scans and masks from one grid to another, and into files: a scan to 1 mm, its mask beside it, and the mask back to the scan's own grid.
 *
 *   npm run build && npx tsx examples/resample.ts [FOLDER]
 */
import { join } from "node:path";
import { readVolume, writeVolume } from "medvox/files";
import {
  clipPercentiles,
  reorient,
  resample,
  resampleToSpacing,
  restoreToGrid,
  sameGrid,
  spacingOf,
} from "medvox/volume";
import { writeMadeUp } from "./made-up-volumes.ts";

const [folder = "runs/resample"] = process.argv.slice(2);
const [{ image, label }] = await writeMadeUp(folder, 1);
const scan = await readVolume(image);
const mask = await readVolume(label!);

// Images are interpolated. The field of view stays the same, so there are twice as many voxels along each axis.
const fine = resampleToSpacing(reorient(scan, "RAS"), [1, 1, 1], { mode: "linear" });
console.log(`${scan.size.join("×")} at ${spacingOf(scan.affine).join("×")} mm → ${fine.size.join("×")} at 1 mm`);
await writeVolume(join(folder, "fine.nii.gz"), clipPercentiles(fine), { force: true });

// Masks are not: `labels` gives each voxel one of the labels there are. `fine` is a volume, and so a grid, too.
const fineMask = resample(mask, fine, { mode: "labels" });
await writeVolume(join(folder, "fine-mask.nii.gz"), fineMask, { dtype: "uint8", force: true });

// Back to the scan's grid. `like` writes the fields of the scan's header that say where voxels lie, bit for bit.
const back = restoreToGrid(fineMask, scan);
const file = join(folder, "back.nii.gz");
await writeVolume(file, back, { like: scan.header, force: true });
const read = await readVolume(file);
let kept = 0;
for (let i = 0; i < mask.data.length; i++) if (mask.data[i] === read.data[i]) kept++;
console.log(`on the scan's own grid: ${sameGrid(read, scan) ? "yes" : "no"}`);
console.log(`${((100 * kept) / mask.data.length).toFixed(1)} % of the voxels have the label they had`);
