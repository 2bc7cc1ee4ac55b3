/** `medvox dicom convert`: a series as one file. */
import { readVolume, writeVolume } from "../../files/index.ts";
import { spacingOf } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { inputPath } from "../prediction.ts";

export const command = defineCommand<{ repair?: boolean }, [string, string]>({
  configure: (command) =>
    command
      .argument("<in>", "a folder, zip archive or file with one series; FOLDER#2 where it has several")
      .argument("<out>", "the file to write: .nii.gz, .nii, .hdr, .img or .nrrd")
      .option("--repair", "resample slices that make no regular volume (gaps, tilt) instead of refusing them"),
  examples: ["medvox dicom convert study/ct ct.nii.gz", "medvox dicom convert export.zip#2 mr.nii.gz --repair"],
  details: "Voxels are rescaled slice by slice: Hounsfield units of a CT. The affine leads to RAS+ millimetres.",
  json: {
    in: "as given",
    out: "the file written",
    size: "[x, y, z]",
    spacingMm: "[x, y, z]",
    repaired: "what was wrong with the slices, where they were resampled",
  },
  writes: true,
  async run({ signal, force }, { repair }, from, out) {
    refuseToOverwrite(out, force);
    const { header, ...volume } = await readVolume(inputPath(from, repair));
    await writeVolume(out, volume, { force, signal });
    const repaired = header.dicom?.repaired;
    const { size } = volume;
    const spacingMm = spacingOf(volume.affine);
    return {
      document: { in: from, out, size, spacingMm, ...(repaired && { repaired }) },
      text: `${out}  ${size.join("×")} voxels of ${spacingMm.map((mm) => Number(mm.toPrecision(4))).join("×")} mm${repaired ? `  (resampled: ${repaired})` : ""}`,
    };
  },
});
