/** `medvox verify`: checks a data set and names every broken case. */
import { counted } from "../../data/counted.ts";
import {
  type DetectionVerification,
  formatFinding,
  isClassification,
  isDetection,
  openClassification,
  openDataset,
  openDetection,
  type Verification,
  verifyClassification,
  verifyDataset,
  verifyDetection,
} from "../../data/index.ts";
import { commandLine } from "../../text/index.ts";
import { defineCommand } from "../command.ts";
import type { Style } from "../style.ts";

export const command = defineCommand<{ images?: string }, [string]>({
  configure: (command) =>
    command
      .argument("<dataset>", "folder, dataset.json, or list (.csv, .tsv, .json)")
      .option("--images <folder>", "of boxes: where the pictures or volumes are, if not beside their annotations"),
  examples: [
    "medvox verify Task04_Hippocampus",
    "medvox verify cases.csv --json",
    "medvox verify BCCD",
    "medvox verify annotations.csv --images scans/",
  ],
  details:
    "An error is a case that training cannot use or would be wrong with; a warning is worth a look.\n" +
    "Exit status 1 where there is an error; warnings alone are exit status 0.",
  json: {
    ok: "whether there is no error",
    dataset: "its name",
    findings: "severity (error, warning), case, rule, message",
    cases: "per case: id, errors, warnings, and what was seen of it",
    "summary.cases": "how many",
    "summary.errors": "how many",
    "summary.warnings": "how many",
    "summary.broken": "cases with an error",
    "summary.labels": "per label: index, name, cases, voxels",
    "summary.medianSize": "[x, y, z]",
    "summary.medianSpacingMm": "[x, y, z]",
    classes: "of a classification: name and cases of each class",
    task: "of a classification: classification; of boxes: detection; the summary then has images, boxes, skipped, empty, splits, classes (name, boxes, images, side)",
    format: "of boxes: how they are written",
  },
  async run({ signal, progress, style }, { images }, path) {
    const onProgress = (done: number, total: number, id: string): void =>
      progress.update({ label: `verify ${done}/${total}`, fraction: done / total, details: [id] });
    // Label maps may be boxes of objects, too; whoever says where their volumes are means that.
    if (images !== undefined || (await isDetection(path))) {
      const boxes = await verifyDetection(await openDetection(path, { images, signal }), { signal, onProgress });
      const ok = boxes.summary.errors === 0;
      return { document: { ok, task: "detection", ...boxes }, text: detectionPage(boxes, path, images, style), ok };
    }
    if (await isClassification(path)) {
      const classified = await openClassification(path);
      const verification = await verifyClassification(classified, { signal, onProgress });
      const ok = verification.summary.errors === 0;
      const classes = classified.classes.map((name, k) => ({
        name,
        cases: [...classified.cases, ...classified.test].filter((item) => item.class === k).length,
      }));
      const lines = classes.map(({ name, cases }) => `class    ${name}, ${counted(cases, "case")}`);
      return {
        document: { ok, task: "classification", ...verification, classes },
        text: [page(verification, path, style, "classification"), ...lines].join("\n"),
        ok,
      };
    }
    // Labels are not looked for beforehand: that would stop at the first broken file.
    const dataset = await openDataset(path, { signal, lenient: true });
    const verification = await verifyDataset(dataset, { signal, onProgress });
    const ok = verification.summary.errors === 0;
    return { document: { ok, ...verification }, text: page(verification, path, style), ok };
  },
});

/** One line per finding, then what concerns all. */
function findingLines(findings: readonly Parameters<typeof formatFinding>[0][], style: Style): string[] {
  const paint = { error: style.red, warning: style.yellow };
  const lines = findings.map((finding) => {
    const line = formatFinding(finding);
    return paint[finding.severity](line.slice(0, 9)) + line.slice(9);
  });
  return lines.length > 0 ? [...lines, ""] : lines;
}

function detectionPage(
  { findings, summary, dataset, format }: DetectionVerification,
  path: string,
  folder: string | undefined,
  style: Style,
): string {
  const { images, broken, errors, warnings, boxes, skipped, empty, splits, classes } = summary;
  const lines = findingLines(findings, style);
  const counts = `${broken} broken; ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
  lines.push(style.bold(`${dataset} (${format}): ${counted(images, "image")}, ${counts}`));
  const parts = Object.entries(splits).map(([name, n]) => `${name} ${n}`);
  lines.push(
    `boxes    ${boxes}, ${skipped} left out; ${counted(empty, "image")} without objects; ${parts.join(" · ")}`,
  );
  for (const { name, boxes: own, images: within, side } of classes) {
    const sides = side === null ? "" : `, sides ${side.map((s) => Number(s.toPrecision(3))).join(" / ")}`;
    lines.push(
      `class    ${name}: ${counted(own, "box")} in ${counted(within, "image")}${sides}`.replaceAll("boxs", "boxes"),
    );
  }
  if (skipped > 0) lines.push("What is left out is no error in training: the other boxes of the image are used.");
  const words = ["medvox", "detect", "train", "--data", path, ...(folder === undefined ? [] : ["--images", folder])];
  if (errors === 0) lines.push(`next     ${commandLine(words)}`);
  return lines.join("\n");
}

function page(
  { findings, summary, dataset }: Verification,
  path: string,
  style: Style,
  task: "segmentation" | "classification" = "segmentation",
): string {
  const lines = findingLines(findings, style);
  lines.push(
    style.bold(
      `${dataset}: ${counted(summary.cases, "case")}, ${summary.broken} broken; ` +
        `${counted(summary.errors, "error")}, ${counted(summary.warnings, "warning")}`,
    ),
  );
  if (summary.medianSize && summary.medianSpacingMm) {
    const spacing = summary.medianSpacingMm.map((mm) => Number(mm.toPrecision(4))).join(" × ");
    lines.push(`median   ${summary.medianSize.join(" × ")} voxels of ${spacing} mm`);
  }
  for (const { index, name, cases } of summary.labels)
    lines.push(`label    ${index} ${name}, in ${counted(cases, "case")}`);
  if (summary.errors === 0) lines.push(`next     medvox train ${task} --data ${path}`);
  return lines.join("\n");
}
