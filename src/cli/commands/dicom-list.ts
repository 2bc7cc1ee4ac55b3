/** `medvox dicom list`: what lies in a folder, an archive or a file, and which of it is a volume. */
import { findDicom } from "../../files/index.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand<object, [string]>({
  configure: (command) => command.argument("<path>", "a folder (all below it), a zip archive, or a DICOM file"),
  examples: ["medvox dicom list study/", "medvox dicom list export.zip --json"],
  details:
    "Verdicts: regular (a volume); gap, varying, tilt, duplicate (--repair resamples them); mixed, unplaced (no volume).\n" +
    "A series is named by its number: study/#2.",
  json: {
    path: "as given",
    series:
      "per series: number, path (how it is named), study, uid, modality, description, part (what tells it from others of its UID), slices, size [x, y], spacingMm (from slice to slice), verdict, detail",
    others: "DICOM objects that hold no image medvox reads: name, message, damaged",
    junk: "how many files are not DICOM",
  },
  async run({ signal }, _options, path) {
    const { series, others, junk } = await findDicom(path, signal);
    const listed = series.map(({ facts, slices, verdict, detail, spacing, part }, i) => ({
      number: i + 1,
      path: `${path}#${i + 1}`,
      study: facts.studyInstanceUid,
      uid: facts.seriesInstanceUid,
      modality: facts.modality,
      description: facts.description,
      part,
      slices: slices.length,
      size: [slices[0].layout.columns, slices[0].layout.rows],
      spacingMm: spacing,
      verdict,
      detail,
    }));
    const lines: string[] = [];
    let study: string | undefined;
    for (const one of listed) {
      if (one.study !== study) lines.push(`study ${one.study || "(no UID)"}`);
      study = one.study;
      const size = `${one.slices} × ${one.size.join("×")}`;
      const name = [one.description, one.part].filter((text) => text !== "").join(", ");
      lines.push(
        `  #${one.number}  ${one.modality || "?"}  ${size}  ${one.verdict}${one.detail ? `: ${one.detail}` : ""}  ${name}`,
      );
    }
    if (listed.length === 0) lines.push(`${path}: no DICOM image`);
    for (const { name, message } of others)
      lines.push(`left out  ${message.startsWith(name) ? message : `${name}: ${message}`}`);
    if (junk > 0) lines.push(`${junk} ${junk === 1 ? "file is" : "files are"} not DICOM`);
    return {
      document: {
        path,
        series: listed,
        others: others.map(({ name, message, isDamaged }) => ({ name, message, damaged: isDamaged })),
        junk,
      },
      text: lines.join("\n"),
      ok: listed.length > 0,
    };
  },
});
