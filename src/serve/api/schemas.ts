/** What requests and answers look like. Requests are checked by these, and the server's OpenAPI document is made of them. */
import { z } from "@hono/zod-openapi";
import { jobFailure, jobIdPattern, jobStates } from "../../jobs/index.ts";
import { annotatorPattern, namePattern } from "../http/ids.ts";

const name = (what: string) => z.string().regex(namePattern, `expected the name of a ${what}`);

export const caseId = name("case");
export const runId = name("run");
export const annotator = z.string().regex(annotatorPattern, "expected letters, digits, _ and -, 64 at most");
export const jobId = z.string().regex(jobIdPattern, "expected the id of a job");

export const errorSchema = z
  .object({
    error: z.object({ code: z.string(), message: z.string().openapi({ description: "one sentence for people" }) }),
  })
  .openapi("Error");

export const infoSchema = z
  .object({
    name: z.string(),
    version: z.string(),
    labels: z
      .record(z.string(), z.string())
      .openapi({ description: "names of the values of a label, 0 is the background" }),
    cases: z.number(),
    labelled: z.number().openapi({ description: "cases with a label by the annotator `final`" }),
    tasks: z.array(z.string()),
    problems: z.array(z.string()).openapi({ description: "what of the data set is not served, and why" }),
    limits: z.object({ imageBytes: z.number(), labelBytes: z.number() }),
  })
  .openapi("Info");

export const caseSchema = z
  .object({
    id: z.string(),
    image: z.string().openapi({ description: "address of the image" }),
    extension: z.string().openapi({ description: "ending of the image's file, e.g. `.nii.gz`" }),
    annotators: z
      .array(z.string())
      .openapi({ description: "who has drawn a label; `final` is the one that trainings take" }),
  })
  .openapi("Case");

export const versionSchema = z
  .object({ case: z.string(), annotator: z.string(), version: z.number(), saved: z.string().optional() })
  .openapi("LabelVersion");

export const trainBody = z
  .object({
    task: z.string().default("segmentation"),
    run: runId.openapi({ description: "name of the new run, or of one that was stopped: it is gone on with" }),
    config: z.record(z.string(), z.unknown()).default({}).openapi({
      description: "the task's settings over its defaults; `data` and files are the server's and may not be named",
    }),
    annotator: annotator.default("final"),
  })
  .strict()
  .openapi("TrainRequest");

export const predictBody = z
  .object({
    run: runId,
    cases: z.array(caseId).min(1).max(10_000),
    options: z
      .object({
        mirror: z.boolean().optional(),
        overlap: z.number().min(0).max(0.95).optional(),
        probabilities: z.boolean().optional(),
        threads: z.number().int().min(1).max(1024).optional(),
        threshold: z.number().min(0).max(1).optional(),
      })
      .strict()
      .default({}),
  })
  .strict()
  .openapi("PredictRequest");

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.enum(["train", "predict", "detect"]),
    state: z.enum(jobStates),
    run: z.string().openapi({ description: "the run that is trained or predicts" }),
    created: z.string(),
    started: z.string().optional(),
    ended: z.string().optional(),
    attempts: z.number(),
    deaths: z.number().openapi({ description: "how often its process died; a job has failed at the third time" }),
    cancelAsked: z.boolean(),
    error: jobFailure.optional(),
    result: z.record(z.string(), z.unknown()).optional(),
    files: z.array(z.string()).optional().openapi({ description: "names below `/jobs/{id}/files/`" }),
  })
  .openapi("Job");

export const runSchema = z
  .object({
    id: z.string(),
    task: z.string(),
    begun: z.string(),
    finished: z.boolean(),
    data: z.string(),
    epochs: z.number().openapi({ description: "epochs done" }),
    report: z.boolean(),
    model: z.boolean(),
  })
  .openapi("Run");

export const runDetailSchema = runSchema
  .extend({
    config: z.record(z.string(), z.unknown()),
    log: z
      .array(z.record(z.string(), z.unknown()))
      .openapi({ description: "lines of the run's log: epochs and what happened" }),
  })
  .openapi("RunDetail");
