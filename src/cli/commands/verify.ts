/** `medvox verify`: checks a data set and names every broken case. */
import { formatFinding, openDataset, type Verification, verifyDataset } from "../../data/index.ts";
import { defineCommand } from "../command.ts";
import type { Style } from "../style.ts";

export const command = defineCommand<object, [string]>({
  configure: (command) => command.argument("<dataset>", "folder, dataset.json, or list (.csv, .tsv, .json)"),
  examples: ["medvox verify Task04_Hippocampus", "medvox verify cases.csv --json"],
  details:
    "An error is a case that training cannot use or would be wrong with; a warning is worth a look.\n" +
    "Exit status 1 where there is an error; warnings alone are exit status 0.",
  async run({ signal, progress, style }, _options, path) {
    // Labels are not looked for beforehand: that would stop at the first broken file.
    const dataset = await openDataset(path, { signal, lenient: true });
    const verification = await verifyDataset(dataset, {
      signal,
      onProgress: (done, total, id) =>
        progress.update({ label: `verify ${done}/${total}`, fraction: done / total, details: [id] }),
    });
    const ok = verification.summary.errors === 0;
    return { document: { ok, ...verification }, text: page(verification, path, style), ok };
  },
});

function page({ findings, summary, dataset }: Verification, path: string, style: Style): string {
  const paint = { error: style.red, warning: style.yellow };
  const lines = findings.map((finding) => {
    const line = formatFinding(finding);
    return paint[finding.severity](line.slice(0, 9)) + line.slice(9);
  });
  if (lines.length > 0) lines.push("");
  const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;
  lines.push(
    style.bold(
      `${dataset}: ${count(summary.cases, "case")}, ${summary.broken} broken; ` +
        `${count(summary.errors, "error")}, ${count(summary.warnings, "warning")}`,
    ),
  );
  if (summary.medianSize && summary.medianSpacingMm) {
    const spacing = summary.medianSpacingMm.map((mm) => Number(mm.toPrecision(4))).join(" × ");
    lines.push(`median   ${summary.medianSize.join(" × ")} voxels of ${spacing} mm`);
  }
  for (const { index, name, cases } of summary.labels)
    lines.push(`label    ${index} ${name}, in ${count(cases, "case")}`);
  if (summary.errors === 0) lines.push(`next     medvox train segmentation --data ${path}`);
  return lines.join("\n");
}
