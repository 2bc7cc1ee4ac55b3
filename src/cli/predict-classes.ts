/** `medvox predict` of a classifier: a table of probabilities, one row per case. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type DataCase, openClassification } from "../data/index.ts";
import { makeFolder, writeFileAtomic } from "../files/index.ts";
import { classShares, openClassifier } from "../med3d/index.ts";
import { calledClass, csv } from "../metrics/index.ts";
import type { CommandContext, Outcome } from "./command.ts";
import { refuseToOverwrite } from "./outputs.ts";
import { casesOf } from "./predicted-cases.ts";

interface Options {
  readonly in: string;
  readonly out: string;
  readonly use?: "last" | "best";
  readonly mirror?: boolean;
  readonly threads?: number;
  readonly device?: "cpu" | "webgpu" | "cuda";
  readonly report?: string;
}

export async function predictClasses(
  { signal, progress, force }: CommandContext,
  options: Options,
  model: string,
): Promise<Outcome> {
  const cases = await casesToClassify(options.in);
  const path = join(options.out, "predictions.csv");
  refuseToOverwrite(path, force);
  const classifier = await openClassifier(model, options);
  const { plan, network } = classifier;
  const scale = network.target === "rating" ? plan.ratings!.scale : [];
  const predictions: { case: string; image: string; class: string; probabilities: object; ratings?: object }[] = [];
  const rows: (string | number)[][] = [];
  try {
    for (const [i, item] of cases.entries()) {
      signal.throwIfAborted();
      const outputs = await classifier.classify(item);
      const shares = classShares(outputs, plan, network);
      const called = plan.classes[calledClass(shares)];
      rows.push([item.id, called, ...shares, ...(scale.length > 0 ? outputs : [])]);
      predictions.push({
        case: item.id,
        image: item.image,
        class: called,
        probabilities: Object.fromEntries(plan.classes.map((name, k) => [name, shares[k]])),
        ...(scale.length > 0 ? { ratings: Object.fromEntries(scale.map((rating, r) => [rating, outputs[r]])) } : {}),
      });
      progress.update({
        label: `predicting  ${i + 1}/${cases.length}`,
        fraction: (i + 1) / cases.length,
        details: [item.id],
      });
    }
  } finally {
    await classifier.close();
    progress.clear();
  }
  const head = ["case", "called", ...plan.classes.map((n) => `p(${n})`), ...scale.map((r) => `p(rating ${r})`)];
  await makeFolder(options.out);
  await writeFileAtomic(path, csv(head, rows), { force });
  const document = { task: "classification", run: model, table: path, networks: classifier.members, predictions };
  if (options.report !== undefined)
    await writeFileAtomic(options.report, `${JSON.stringify(document, null, 2)}\n`, { force });
  const lines = rows.map(([name, called, ...values]) => {
    const shares = plan.classes.map((label, k) => `${label} ${Number(values[k]).toFixed(3)}`);
    return `${name}  ${called}  (${shares.join(" · ")})`;
  });
  return { document, text: [...lines, path].join("\n") };
}

/** Lists of classification data as well, for their masks; their labels are not looked at. */
async function casesToClassify(path: string): Promise<readonly DataCase[]> {
  const found = await stat(path).catch(() => undefined);
  const isList = found?.isFile() === true && /\.(csv|tsv|json)$/i.test(path);
  const hasList =
    found?.isDirectory() === true && ["csv", "tsv", "json"].some((x) => existsSync(join(path, `labels.${x}`)));
  if (!isList && !hasList) return casesOf(path);
  const { cases, test } = await openClassification(path, { unlabelled: true });
  return test.length > 0 ? test : cases;
}
