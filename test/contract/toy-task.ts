/** A fifth task in one file: a number for each small text file of two numbers, by a plane that is fitted to examples. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { caseHashes } from "../../src/data/content-hash.ts";
import { leavesOut, type Problem } from "../../src/data/problem.ts";
import { DataError } from "../../src/errors.ts";
import { graph, scope } from "../../src/graph/index.ts";
import { linearLayer, meanSquaredError, sgd } from "../../src/nn/index.ts";
import { runFrame, splitText, writeChartsReport } from "../../src/report/index.ts";
import * as frame from "../../src/train/index.ts";

const caseSchema = z.looseObject({ id: z.string(), image: z.string(), truth: z.number() });
const keys = { data: true, seed: true, device: true, threads: true, epochs: true, strict: true } as const;
const configSchema = frame.sharedConfigSchema.pick(keys);
const options = z.strictObject({ ...frame.commonOptions, times: z.number().optional() });
type Config = z.output<typeof configSchema>;
type Case = z.output<typeof caseSchema>;
type Plan = { readonly features: number };

/** Lines `id,number,split`; the numbers of `id` stand in `id.txt`. A line `!rule,id,words` is a problem, as a reader would find it. */
async function readList(path: string) {
  const lines = (await readFile(join(path, "list.csv"), "utf8")).split("\n").filter(Boolean);
  const rows = lines.filter((line) => !line.startsWith("!")).map((line) => line.split(","));
  const listed = rows.map(([id, truth, split]) => ({ id, image: resolve(path, `${id}.txt`), truth: +truth, split }));
  const problems = lines.flatMap((line): Problem[] => {
    const [rule, id, message] = line.slice(1).split(",");
    return line.startsWith("!") ? [{ severity: "error", case: id, rule: rule as Problem["rule"], message }] : [];
  });
  const isLeftOut = (id: string): boolean => problems.some((problem) => problem.case === id && leavesOut(problem));
  const part = (name: string): Case[] =>
    listed.flatMap(({ split, ...item }) => (split === name && !isLeftOut(item.id) ? item : []));
  return { splits: { train: part("train"), validation: part("watched"), heldOut: part("test") }, problems, isLeftOut };
}

async function fingerprint(cases: readonly Case[]): Promise<frame.DataFingerprint> {
  const images = await caseHashes(cases);
  return Object.fromEntries(cases.map(({ id, truth }) => [id, { image: images[id].image, truth: `${truth}` }]));
}

async function readNumbers({ image }: frame.PredictInput): Promise<Float32Array> {
  const numbers = Float32Array.from((await readFile(image, "utf8")).split(","), Number);
  if (numbers.length !== 2 || numbers.some(Number.isNaN)) throw new DataError(`${image}: holds not two numbers`);
  return numbers;
}

async function encode({ run, use }: { run: frame.Run<Config, Plan, Case>; use?: string }): Promise<Uint8Array> {
  const weights = await frame.readWeights(run.store, use === "best" ? frame.BEST_CHECKPOINT : frame.LAST_CHECKPOINT);
  const g = graph();
  const y = linearLayer(g.input("x", [1, run.plan.features]), 1, scope("plane"));
  return frame.encodePortable({ graph: g, outputs: { y } }, weights, { metadata: { task: "toy" }, name: "toy" });
}

export const toy: frame.Task<Config, Plan, Case, frame.PredictInput, number, number> = {
  ...frame.plainTask,
  name: "toy",
  schemas: {
    config: configSchema,
    plan: z.looseObject({ features: z.number().int() }),
    case: caseSchema,
    ...{ evaluate: options, predict: options, export: z.strictObject({}) },
  },
  resolve: (request) => frame.checkedConfig(configSchema, request),
  async prepare({ data }) {
    const { splits, problems } = await readList(data);
    const hashes = await fingerprint([...splits.train, ...splits.validation]);
    return { plan: { features: 2 }, splits, credit: { name: basename(data) }, problems, fingerprint: hashes };
  },
  async fingerprint({ record }) {
    const { splits, problems } = await readList(record.config.data);
    const ids = [...record.splits.train, ...record.splits.validation].map(({ id }) => id);
    const now = [...splits.train, ...splits.validation].filter(({ id }) => ids.includes(id));
    return { fingerprint: await fingerprint(now), problems };
  },
  async session({ record: { splits, config }, plan }, _stage, { engine }) {
    const batches = async (cases: readonly Case[]) => {
      const data = Float32Array.from((await Promise.all(cases.map(readNumbers))).flatMap((two) => [...two]));
      const truth = { data: Float32Array.from(cases, (item) => item.truth), shape: [cases.length, 1] };
      return { x: { data, shape: [cases.length, plan.features] }, truth };
    };
    const [feeds, watched] = [await batches(splits.train), await batches(splits.validation)];
    const definition = {
      network: ({ x }: Parameters<frame.Network>[0]) => ({ y: linearLayer(x, 1, scope("plane")) }),
      loss: ({ y }: Parameters<frame.Loss>[0], { truth }: Parameters<frame.Loss>[1]) => meanSquaredError(y, truth),
    };
    const shapeOf = ({ shape }: { shape: number[] }) => ({ shape, dtype: "float32" }) as const;
    const example = { x: shapeOf(feeds.x), truth: shapeOf(feeds.truth) };
    const model = await frame.createModel({ engine, ...definition, optimizer: sgd({ lr: 0.1 }) }, example);
    const data: frame.BatchSource = {
      stepsPerEpoch: 4,
      batches: async function* (_epoch, from) {
        for (let i = from; i < 4; i++) yield { feeds: structuredClone(feeds), waitedMs: 0, cases: [] };
      },
    };
    const validate = async (): Promise<frame.ValidationResult> => {
      const { outputs } = await model.evaluate(structuredClone(watched), { withLoss: true });
      return { loss: Number(outputs.loss.data[0]), score: 1 / (1 + Number(outputs.loss.data[0])) };
    };
    const loop = { data, epochs: config.epochs, learningRate: 0.1, validate };
    return { model, loop, close: () => model.close() };
  },
  finish: async (run) => run.store.write(frame.MODEL, await encode({ run })),
  encode,
  async cases({ record }, from) {
    if ("split" in from) return { cases: record.splits[from.split], problems: [] };
    const { splits, problems } = await readList(from.data);
    return { cases: Object.values(splits).flat(), problems };
  },
  async inputs(path) {
    if ((await stat(path)).isFile()) return { cases: [{ id: basename(path, ".txt"), image: path }], problems: [] };
    const files = (await readdir(path)).filter((name) => /^[^.].*\.txt$/.test(name)).sort();
    const cases = files.map((name) => ({ id: basename(name, ".txt"), image: join(path, name) }));
    const { problems, isLeftOut } = await readList(path);
    return { cases: cases.filter(({ id }) => !isLeftOut(id)), problems };
  },
  async open(source, { times = 1 }, host) {
    if ("weights" in source) throw frame.notOfWeights(source.weights);
    const engine = await host.engine({ threads: 1 });
    const program = await engine.load("model" in source ? source.model : await encode(source));
    return {
      predict: async (item) => {
        const feeds = { x: { data: await readNumbers(item), shape: [1, 2] } };
        return Number((await program.run(feeds)).outputs.y.data[0]) * (times as number);
      },
      present: ({ id }, found) => ({ files: [], row: { case: id, found } }),
      fileNames: () => [],
      tableNames: ["predictions.json"],
      conclude: (rows) => {
        const json = { predictions: rows };
        return { tables: { "predictions.json": JSON.stringify(rows) }, json, lines: [] };
      },
      close: () => engine.close(),
    };
  },
  score: async (_run, item, found) => Math.abs(found - (item as Case).truth),
  scoreText: (score) => `off by ${score}`,
  summarise: (run, scored) => {
    const figures = { error: scored.reduce((sum, { score }) => sum + score / scored.length, 0) };
    const { record, store } = run;
    return {
      figures,
      json: figures,
      tables: { "errors.csv": scored.map(({ item, score }) => `${item.id},${score}\n`).join("") },
      lines: [`error ${figures.error}`],
      report: (path, { seconds, part, problems, evaluations }) => {
        const [trained, noun] = [record.splits.train.length, "case"];
        const lead = { network: "A plane", trained, scored: scored.length, noun, part };
        const facts = {
          title: "toy",
          lead,
          record,
          device: "cpu",
          seconds,
          problems,
          evaluations,
          split: splitText(record.splits),
        };
        const table = { columns: ["case", "off by"], rows: scored.map(({ item, score }) => [item.id, `${score}`]) };
        const page = runFrame({ ...facts, instead: ["medvox", "train", "--resume", store.place] });
        return writeChartsReport(path, { ...page, charts: [], table, notes: [] }, { force: true });
      },
    };
  },
};
