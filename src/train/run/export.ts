/** A run's network for other programs: its graph as ONNX, its weights as safetensors. */
import { ConfigError } from "../../errors.ts";
import { writeFileAtomic } from "../../files/index.ts";
import { encoderPattern } from "../../nn/index.ts";
import { hintOf, hintText } from "../../weights/index.ts";
import type { StateMap } from "../model/model.ts";
import { writePortableWeights } from "../model/portable-weights.ts";
import { SEEN, seenBy } from "../seen/used-cases.ts";
import { BEST_CHECKPOINT, LAST_CHECKPOINT, readWeights } from "../store/checkpoint.ts";
import { notTrained } from "./evaluate.ts";
import { checkedOptions } from "./options.ts";
import type { OpenedRun } from "./record.ts";

export type ExportFormat = "onnx" | "safetensors" | "pth-names";

export interface ExportOptions {
  readonly format: ExportFormat;
  /** The file to write. */
  readonly out: string;
  readonly use?: "last" | "best";
  /** The encoder alone. */
  readonly encoder?: boolean;
  readonly force?: boolean;
  /** What the task understands beside these. */
  readonly [option: string]: unknown;
}

export interface ExportedWeights {
  /** Tensors written; undefined for a graph. */
  readonly tensors?: number;
  /** What the encoder is, for whoever loads it. */
  readonly network?: string;
}

/**
 * Writes a run's network for elsewhere: its ONNX graph; its weights as safetensors; or those with every entry that PyTorch's
 * `state_dict` has, the batch norms' counters included, so that `load_state_dict` is strict about them.
 * @throws ConfigError for a run of several networks, or one without weights
 */
export async function exportRun({ task, run }: OpenedRun, options: ExportOptions): Promise<ExportedWeights> {
  const { format, out, use, encoder = false, force = false, ...rest } = options;
  const { place } = run.store;
  const asked = checkedOptions(task, "export", rest, place);
  const member = task.children(run).find(({ role }: { role: string }) => role === "member");
  if (member !== undefined)
    throw new ConfigError(
      `${place}: is a run of several networks; name one of them, e.g. ${run.store.child(member.name).place}`,
    );
  if (!(await run.store.has(LAST_CHECKPOINT))) throw notTrained(run);
  const hasBest = await run.store.has(BEST_CHECKPOINT);
  if (use === "best" && !hasBest)
    throw new ConfigError(`${place}: has no best weights, since nothing was watched; leave --use out`);
  // Without a word the weights that the run is scored by, as of a graph.
  const isBest = use === undefined ? hasBest && run.record.config.use === "best" : use === "best";
  const name = isBest ? BEST_CHECKPOINT : LAST_CHECKPOINT;
  const all: StateMap = format === "onnx" && !encoder ? new Map() : await readWeights(run.store, name);
  const weights = [...all].filter(([entry]) => !encoder || encoderPattern.test(entry));
  if (encoder && weights.length === 0)
    throw new ConfigError(`--encoder: is not for a ${task.name} run, which ${place} is; export its network whole`);
  if (format === "onnx") {
    if (encoder) throw new ConfigError("--encoder: is for safetensors and pth-names; a graph is exported whole");
    await writeFileAtomic(out, await task.encode({ run, use }, asked), { force });
    return {};
  }
  const hint = hintOf(new Map(weights.map(([entry, { shape }]) => [entry, shape])));
  const network = hint && hintText(hint);
  const learnt = (await seenBy(place)).flatMap(({ hash }) => hash ?? []);
  const tensors = await writePortableWeights(out, new Map(weights), {
    counters: format === "pth-names",
    metadata: {
      ...(network !== undefined && { network }),
      // Whoever starts from them can see that nothing is scored on what they have learned from.
      ...(learnt.length > 0 && { [SEEN]: JSON.stringify([...new Set(learnt)].sort()) }),
    },
    force,
  });
  return { tensors, network };
}
