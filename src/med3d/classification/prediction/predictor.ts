/** Classification as the frame predicts it: a table of probabilities, one row per case. */
import { join } from "node:path";
import type { DataCase } from "../../../data/index.ts";
import { calledClass, csv } from "../../../metrics/index.ts";
import type { Options, Predictor, Source } from "../../../train/index.ts";
import { classShares } from "../network.ts";
import type { ClassificationRun } from "../session.ts";
import { type ClassifierOptions, openClassifierOf } from "./classifier.ts";

/** The table of a prediction. */
const TABLE = "predictions.csv";

interface Row {
  readonly case: string;
  readonly image: string;
  /** The class with the largest probability. */
  readonly class: string;
  readonly shares: readonly number[];
  /** What the network itself gives: of the classes, or of the ratings. */
  readonly outputs: readonly number[];
}

/** What a classifier finds: probabilities as the network gives them, of the classes or the ratings. */
export type ClassificationFound = readonly number[];

export async function classificationPredictor(
  source: Source<ClassificationRun>,
  options: Options,
): Promise<Predictor<DataCase, ClassificationFound>> {
  const { threads, device, mirror } = options as ClassifierOptions;
  const classifier = await openClassifierOf(source, { threads, device, mirror });
  const { plan, network, members } = classifier;
  const scale = network.target === "rating" ? plan.ratings!.scale : [];
  return {
    predict: async (item, { signal }) => Array.from(await classifier.classify(item, { signal })),
    fileNames: () => [],
    tableNames: [TABLE],
    present: (item, outputs) => {
      const shares = classShares(outputs, plan, network);
      const row: Row = { case: item.id, image: item.image, class: plan.classes[calledClass(shares)], shares, outputs };
      return { files: [], row };
    },
    conclude: (all, { folder }) => {
      const rows = all as Row[];
      const head = ["case", "called", ...plan.classes.map((n) => `p(${n})`), ...scale.map((r) => `p(rating ${r})`)];
      const cells = rows.map(({ case: id, class: called, shares, outputs }) => [
        id,
        called,
        ...shares,
        ...(scale.length > 0 ? outputs : []),
      ]);
      const predictions = rows.map(({ case: id, image, class: called, shares, outputs }) => ({
        case: id,
        image,
        class: called,
        probabilities: Object.fromEntries(plan.classes.map((name, k) => [name, shares[k]])),
        ...(scale.length > 0 ? { ratings: Object.fromEntries(scale.map((rating, r) => [rating, outputs[r]])) } : {}),
      }));
      const table = folder === undefined ? {} : { table: join(folder, TABLE) };
      return {
        tables: { [TABLE]: csv(head, cells) },
        json: { ...table, networks: members, predictions },
        lines: [
          ...rows.map(({ case: id, class: called, shares }) => {
            const told = plan.classes.map((label, k) => `${label} ${shares[k].toFixed(3)}`);
            return `${id}  ${called}  (${told.join(" · ")})`;
          }),
          ...(folder === undefined ? [] : [join(folder, TABLE)]),
        ],
      };
    },
    close: () => classifier.close(),
  };
}
