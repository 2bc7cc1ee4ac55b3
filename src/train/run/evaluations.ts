/**
 * The evaluations of a run: each has a name and a folder, and says with its scores what was scored and how. Scores are never replaced
 * by scores that were made in another way, unless that is asked for.
 */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { nameOf } from "../../text/index.ts";
import { folderStore } from "../store/folder-store.ts";
import type { Store } from "../store/store.ts";
import type { Options, SplitName } from "./task.ts";

/** Where the figures of an evaluation stand, in the evaluation's folder. */
export const EVALUATION = "evaluation.json";

/** The folder of a run's evaluations other than that of its held-out cases. */
const FOLDER = "evaluations";

/** What an evaluation scored, and how. Two with the same have the same scores. */
export interface EvaluationRecord {
  /** `heldOut` for a run's own; else the name of its folder below `evaluations/`. */
  readonly name: string;
  /** The part of the run's cases; `data` for another data set, `cases` for a program's own. */
  readonly on: SplitName | "data" | "cases";
  /** The other data set, as it was named. */
  readonly data?: string;
  /** The weights that were asked for; left out: as the run says. */
  readonly use?: "last" | "best";
  /** What the task was told beside, e.g. `mirror` or `overlap`. */
  readonly options: Options;
  /** The figures in one line. */
  readonly line: string;
}

const recordSchema = z.looseObject({
  name: z.string(),
  on: z.enum(["heldOut", "validation", "train", "data", "cases"]),
  data: z.string().optional(),
  use: z.enum(["last", "best"]).optional(),
  options: z.record(z.string(), z.unknown()),
  line: z.string(),
});

/** Options that change how long an evaluation takes, and no score. */
const WITHOUT_EFFECT = ["threads", "device"];

/**
 * Names an evaluation.
 * @param given the name that was asked for
 * @param suffix of the task, for an evaluation that is not the run's own (a branch of a pre-training, another rule)
 * @throws ConfigError for a name that is no folder's
 */
export function nameEvaluation(
  given: string | undefined,
  { on, data }: Pick<EvaluationRecord, "on" | "data">,
  suffix: string,
): string {
  if (given !== undefined) {
    if (!/^[\w][\w.-]*$/.test(given) || given === "heldOut")
      throw new ConfigError(
        `--name ${given}: names a folder in ${FOLDER}/; use letters, digits, - and _, e.g. --name mirrored`,
      );
    return given;
  }
  if (on === "heldOut") return suffix === "" ? "heldOut" : suffix;
  const of = on === "data" && data !== undefined ? nameOf(data).replaceAll(/[^\w.-]+/g, "-") : on;
  return suffix === "" ? of : `${of}-${suffix}`;
}

/** The folder of an evaluation below the run's; empty for that of the held-out cases, which is the run's own. */
export const evaluationFolder = (name: string): string => (name === "heldOut" ? "" : `${FOLDER}/${name}`);

/** What an evaluation.json says of how it was made; undefined where there is none, or where it is older than such records. */
async function recordIn(store: Store): Promise<EvaluationRecord | "unsaid" | undefined> {
  const bytes = await store.read(EVALUATION);
  if (bytes === undefined) return undefined;
  try {
    const parsed = recordSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)).evaluation);
    return parsed.success ? (parsed.data as EvaluationRecord) : "unsaid";
  } catch {
    return "unsaid";
  }
}

/**
 * Refuses to replace scores that were made in another way. The same evaluation once more is none.
 * @param folder where it is to be written
 * @throws ConfigError naming the folder, and how its scores were made
 */
export async function refuseOtherScores(folder: string, now: Omit<EvaluationRecord, "line">): Promise<void> {
  const before = await recordIn(folderStore(folder));
  if (before === undefined || (before !== "unsaid" && sameScores(before, now))) return;
  const how = before === "unsaid" ? "by a medvox that did not say with what options" : `with ${howText(before)}`;
  throw new ConfigError(
    `${folder}: has scores already, made ${how}, and this evaluation has ${howText(now)}; give it a name with --name, or --force replaces them`,
  );
}

type How = Pick<EvaluationRecord, "on" | "data" | "use" | "options">;

const sameScores = (a: How, b: How): boolean => howText(a) === howText(b);

/** `--split train --mirror true`, in one order; `no options` where there are none. */
export function howText({ on, data, use, options }: How): string {
  const parts = [
    ...(on === "data"
      ? [`--data ${data}`]
      : on === "cases"
        ? ["cases of a program"]
        : on === "heldOut"
          ? []
          : [`--split ${on}`]),
    ...(use === undefined ? [] : [`--use ${use}`]),
    ...Object.entries(options)
      .filter(([key, value]) => value !== undefined && !WITHOUT_EFFECT.includes(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(",") : String(value)}`),
  ];
  return parts.length === 0 ? "no options" : parts.join(", ");
}

/** Every evaluation of a run, that of its held-out cases first, the others by name. Those of earlier versions only have names. */
export async function listEvaluations(
  store: Store,
): Promise<readonly (EvaluationRecord & { readonly folder: string })[]> {
  const others = store.child(FOLDER);
  const names = [...(await others.names())].sort();
  const places = [["heldOut", store] as const, ...names.map((name) => [name, others.child(name)] as const)];
  const found = await Promise.all(
    places.map(async ([name, place]) => {
      const record = await recordIn(place);
      if (record === undefined) return [];
      const said = record === "unsaid" ? { on: "heldOut" as const, options: {}, line: "" } : record;
      return [{ ...said, name, folder: place.place }];
    }),
  );
  return found.flat();
}
