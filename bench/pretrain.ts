/**
 * `npm run pretrain -- free [--depth 10 | 18] [--out FOLDER] [--fresh] [--ship [--note TEXT]]`: pre-trains the encoder that medvox ships, on the sets of
 * `bench/pretraining/sets.ts` with the recipe `bench/recipes/pretrain.json`. Stopped at any moment, the same command goes on. Every few
 * epochs each branch is scored on its held-out cases. `--ship` makes `pretrained/med3d-resnet10.safetensors` of a run that has ended. Writes `results/pretrain-NAME.json`, then the tables of README.md and docs/.
 */
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pretrain, resumePretraining } from "../src/med3d/index.ts";
import type { EpochReport } from "../src/train/index.ts";
import { cardOf, writePretraining } from "./pretraining/card.ts";
import { freeSets } from "./pretraining/sets.ts";
import { ship } from "./pretraining/ship.ts";
import { watchBranches, watchedOf } from "./pretraining/watch.ts";
import { writeTables } from "./tables.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string", default: "../shared/data" },
    depth: { type: "string", default: "10" },
    out: { type: "string" },
    fresh: { type: "boolean", default: false },
    /** Writes the encoder as a file that ships. */
    ship: { type: "boolean", default: false },
    /** What else its card has to say of how the run was made. */
    note: { type: "string" },
  },
});
const [name = ""] = positionals;
if (positionals.length !== 1 || name !== "free") {
  console.error("pretrain: name one of free, e.g. npm run pretrain -- free");
  process.exit(2);
}
const out = values.out ?? `runs/pretrain-${name}-resnet${values.depth}`;
const command = `npm run pretrain -- ${name}${values.depth === "10" ? "" : ` --depth ${values.depth}`}`;
if (values.fresh) rmSync(out, { recursive: true, force: true });

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
const say = (line: string): void => console.error(line);

/** How often, while it goes on, the held-out cases are looked at. */
const LOOKS = 3;
try {
  for (let done = false; !done; ) {
    const pause = new AbortController();
    const signal = AbortSignal.any([stop.signal, pause.signal]);
    const onEpoch = ({ epoch, epochs, trainLoss, seconds, branches }: EpochReport): void => {
      const dice = Object.entries(branches ?? {}).map(
        ([set, of]) => `${set} ${(of as { meanDice: number | null }).meanDice?.toFixed(3)}`,
      );
      say(
        `${new Date().toISOString().slice(11, 19)} epoch ${epoch}/${epochs}  loss ${trainLoss.toFixed(4)}  ${seconds.toFixed(1)} s  ${dice.join(" · ")}`,
      );
      if (epoch % Math.ceil(epochs / LOOKS) === 0 && epoch < epochs) pause.abort();
    };
    const recipe = JSON.parse(readFileSync("bench/recipes/pretrain.json", "utf8")) as object;
    try {
      await (existsSync(`${out}/run.json`)
        ? resumePretraining(out, { onEpoch, signal })
        : pretrain(
            { ...recipe, depth: Number(values.depth) as 10 | 18, sets: await freeSets(values.data) },
            { out, force: true, command, onEpoch, signal },
          ));
      done = true;
    } catch (error) {
      if (!pause.signal.aborted || stop.signal.aborted) throw error;
    }
    await watchBranches(out, { say, signal: stop.signal });
  }
  const told = { name, out, command, watched: watchedOf(out) };
  await writePretraining(told);
  writeTables();
  if (values.ship) {
    const file = `pretrained/med3d-resnet${values.depth}.safetensors`;
    await ship(out, file, { ...(await cardOf(told)), ...(values.note !== undefined && { note: values.note }) });
    say(`${file}  ${(statSync(file).size / 1e6).toFixed(1)} MB`);
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
  say("stopped; the same command goes on from here");
  process.exitCode = 130;
}
