/** A segmentation that is trained, or gone on with, and scored; each in a folder of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  evaluateSegmentationRun,
  resolveSegmentationConfig,
  resumeSegmentation,
  type SegmentationRequest,
  type SegmentationRun,
  segmentation,
  trainSegmentation,
} from "../../src/med3d/index.ts";
import type { CaseScores, SegmentationSummary } from "../../src/metrics/index.ts";
import { type Evaluation, folderStore, readRunOf } from "../../src/train/index.ts";

export interface MeasureOptions {
  /** Folder of the data set, relative to the repository. */
  readonly data: string;
  /** File of the recipe. */
  readonly recipe: string;
  /** Folder of the runs. */
  readonly out: string;
  readonly fresh: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** @param eachEpoch called after every epoch, to note the time down */
export async function trainedAndScored(
  name: string,
  request: SegmentationRequest,
  { out, fresh, say, signal, command }: MeasureOptions & { readonly command: string },
  eachEpoch: () => void,
): Promise<Evaluation<CaseScores, SegmentationSummary>> {
  const run = join(out, name);
  const config = resolveSegmentationConfig(request);
  const begun = existsSync(join(run, "run.json")) && !fresh;
  if (begun) {
    const { record }: SegmentationRun = await readRunOf(folderStore(run), segmentation);
    if (!isDeepStrictEqual(record.config, JSON.parse(JSON.stringify(config))))
      throw new Error(`${run}: holds a run of another recipe; --fresh replaces it, --out names another folder`);
  }
  const options = {
    signal,
    command,
    onEpoch: ({
      epoch,
      epochs,
      trainLoss,
      seconds,
    }: {
      epoch: number;
      epochs: number;
      trainLoss: number;
      seconds: number;
    }) => {
      eachEpoch();
      say(`${name}: epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(4)}  ${seconds.toFixed(1)} s`);
    },
  };
  if (begun) await resumeSegmentation(run, options);
  else await trainSegmentation(request, { out: run, force: true, ...options });
  const evaluation = await evaluateSegmentationRun(run, { signal });
  say(`${name}: Dice ${evaluation.summary.overall.dice.mean?.toFixed(4)}`);
  return evaluation;
}
