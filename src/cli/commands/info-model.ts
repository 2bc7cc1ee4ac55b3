/** `medvox info` for ONNX models and for runs. */
import { readFile } from "node:fs/promises";
import { ConfigError } from "../../errors.ts";
import { readOnnx } from "../../graph/index.ts";
import { openRun } from "../../tasks.ts";
import { howText, listEvaluations, problemsJson, problemsText, readProblems } from "../../train/index.ts";
import type { Outcome } from "../command.ts";

export async function describeModel(path: string): Promise<Outcome> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`${path}: cannot be read (${error.code})`);
  });
  const model = readOnnx(bytes, path);
  const { metadata, ...document } = model;
  const shapes = (values: typeof model.inputs): string =>
    values.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(", ")}]`).join("; ");
  const lines = [
    `ONNX model by ${model.producer || "an unnamed program"}, ${(bytes.length / 1e6).toFixed(1)} MB, IR ${model.irVersion}`,
    `opsets    ${Object.entries(model.opsets)
      .map(([domain, version]) => `${domain} ${version}`)
      .join(", ")}`,
    `inputs    ${shapes(model.inputs)}`,
    `outputs   ${shapes(model.outputs)}`,
    `weights   ${model.values.toLocaleString("en-US")} numbers in ${model.initializers} initializers`,
    `nodes     ${model.nodes}: ${Object.entries(model.operators)
      .map(([name, n]) => `${name} ${n}`)
      .join(", ")}`,
    ...Object.entries(metadata).map(
      ([key, value]) => `metadata  ${key}: ${value.length > 160 ? `${value.slice(0, 157)}…` : value}`,
    ),
  ];
  return { document: { kind: "onnx", path, ...document, metadata }, text: lines.join("\n") };
}

export async function describeRun(path: string): Promise<Outcome> {
  const { task, run } = await openRun(path);
  const { lines, json } = await task.describe(run);
  const problems = await readProblems(run.store);
  const { record, plan } = run;
  const evaluations = await listEvaluations(run.store);
  const told = evaluations.map(
    ({ name, line, ...how }) => `evaluated ${[name, howText(how), line].filter((part) => part !== "").join("  ")}`,
  );
  return {
    document: { kind: "run", path, record, plan, ...json, evaluations, problems: problemsJson(problems) },
    text: [...lines, ...told, ...(problems.length === 0 ? [] : [`data      ${problemsText(problems)}`])].join("\n"),
  };
}
