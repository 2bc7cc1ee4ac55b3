/** `medvox features`: what an encoder makes of images. */
import { join } from "node:path";
import { listImages } from "../../data/index.ts";
import { ConfigError } from "../../errors.ts";
import { makeFolder, writeFileAtomic, writeNpy, writeVolume } from "../../files/index.ts";
import { type FeatureLayer, featureLayers, openFeatures } from "../../med3d/index.ts";
import { encoderNames } from "../../nn/index.ts";
import { defineCommand } from "../command.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { inputPath } from "../prediction.ts";
import { archOf } from "../segmentation-options.ts";
import { wholeNumber } from "../values.ts";

interface Options {
  arch?: string;
  in: string;
  out: string;
  layer?: string;
  pool?: boolean;
  raw?: boolean;
  threads?: number;
  repair?: boolean;
}

export const command = defineCommand<Options, [string]>({
  configure: (command) =>
    command
      .argument("<weights>", "a weights file (.safetensors, .pth) or a run")
      .requiredOption("--in <path>", "an image, a folder of images, or a data set")
      .requiredOption("--out <file>", "FILE.npy; FILE.nii.gz for the map of one image; a folder for maps of several")
      .option("--arch <name>", `of a weights file: ${encoderNames.join(", ")}`)
      .option("--layer <name>", `${featureLayers.join(", ")} (default layer4)`)
      .option("--pool", "one number a channel: the mean over the map")
      .option("--raw", "the voxels as they are in the file")
      .option("--repair", "of DICOM: resample slices that make no regular volume (gaps, tilt) instead of refusing them")
      .option("--threads <n>", "threads of the engine (default: all cores)", wholeNumber({ min: 1 })),
  details:
    "Images are prepared as the run prepares them; for a weights file, as MedicalNet does (z-score of the voxels above 0), at their own\nspacing. Maps are [C, D, H, W], pooled features [C] or, of several images, [cases, C]; FILE.npy.json beside them names the cases\nand says where a map lies (affine in mm).",
  examples: [
    "medvox features resnet10.safetensors --arch resnet10 --in scan.nii.gz --out scan.npy",
    "medvox features runs/pretrain --in imagesTr --pool --out features.npy",
    "medvox features runs/spleen --in ct.nii.gz --layer layer2 --out map.nii.gz",
  ],
  json: {
    weights: "as given",
    layer: "conv1, layer1 … layer4",
    pool: "whether maps were averaged",
    raw: "whether voxels were taken as they are",
    features: "per image: case, image, shape, file, affine (RAS+ mm) of a map",
  },
  writes: true,
  async run({ signal, progress, force }, options, from) {
    const layer = (options.layer ?? "layer4") as FeatureLayer;
    if (!featureLayers.includes(layer))
      throw new ConfigError(`--layer ${layer}: must be one of ${featureLayers.join(", ")}`);
    const { out, pool = false, raw } = options;
    const isNpy = out.endsWith(".npy");
    const isVolume = /\.nii(\.gz)?$/.test(out);
    const cases = (await listImages(inputPath(options.in, options.repair))).cases;
    if (pool && !isNpy) throw new ConfigError(`--out ${out}: pooled features are written to a .npy file`);
    if (!pool && cases.length > 1 && (isNpy || isVolume))
      throw new ConfigError(`--out ${out}: ${cases.length} maps need a folder; or --pool puts them into one table`);
    refuseToOverwrite(out, force);
    const architecture = options.arch === undefined ? undefined : archOf(options.arch);
    const extractor = await openFeatures(from, { architecture, layer, pool, raw, threads: options.threads });
    const rows: Float32Array[] = [];
    const done: { case: string; image: string; shape: readonly number[]; file: string; affine?: readonly number[] }[] =
      [];
    try {
      if (!isNpy && !isVolume) await makeFolder(out);
      for (const [i, item] of cases.entries()) {
        signal.throwIfAborted();
        progress.update({ label: `features  ${i + 1}/${cases.length}  ${item.id}`, fraction: i / cases.length });
        const { data, shape, map } = await extractor.extract(item);
        const file = isNpy || isVolume ? out : join(out, `${item.id}.npy`);
        const affine = map && { affine: [...map.affine] };
        done.push({ case: item.id, image: item.image, shape, file, ...affine });
        if (pool) rows.push(data);
        else if (isVolume) await writeVolume(file, map!, { force });
        else await writeNpy(file, data, shape, { force });
      }
      if (pool)
        await writeNpy(out, joined(rows), rows.length === 1 ? [rows[0].length] : [rows.length, rows[0].length], {
          force,
        });
    } finally {
      await extractor.close();
      progress.clear();
    }
    const document = { weights: from, layer, pool, raw: raw ?? false, features: done };
    if (!isVolume) {
      const beside = isNpy ? `${out}.json` : join(out, "features.json");
      await writeFileAtomic(beside, `${JSON.stringify(document, null, 2)}\n`, { force: true });
    }
    return {
      document,
      text: done.map(({ case: name, shape, file }) => `${file}  ${name}  ${shape.join("×")}`).join("\n"),
    };
  },
});

function joined(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.length * rows[0].length);
  for (const [i, row] of rows.entries()) all.set(row, i * row.length);
  return all;
}
