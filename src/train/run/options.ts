/** What an evaluation or a prediction may be told: what every task understands, and what each adds. */
import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import type { AnyTask, Options } from "./task.ts";

/** Understood by every task. */
export const commonOptions = {
  /** Of the engine; default: all cores. */
  threads: z.number().int().positive().optional(),
  /** Where ONNX Runtime computes. */
  device: z.enum(["cpu", "webgpu", "cuda"]).optional(),
};

/**
 * Options as a task's schema has them.
 * @param path of the run or model, for the message
 * @throws ConfigError for one that the task does not know or cannot use
 */
export function checkedOptions(
  task: Pick<AnyTask, "name" | "schemas">,
  kind: "evaluate" | "predict" | "export",
  options: Readonly<Record<string, unknown>>,
  path: string,
): Options {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const parsed = task.schemas[kind].safeParse(given);
  if (parsed.success) return parsed.data as Options;
  const [issue] = parsed.error.issues;
  if (issue.code === "unrecognized_keys")
    throw new ConfigError(`${flagOf(issue.keys[0])}: is not for a ${task.name} run, which ${path} is; leave it out`);
  throw new ConfigError(`${flagOf(String(issue.path[0]))} ${String(given[String(issue.path[0])])}: ${issue.message}`);
}

/** `maxMemory` as it is typed: `--max-memory`. */
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
