/**
 * The thread that fills batches: reads and preprocesses cases that nobody has yet, cuts and augments a patch of each.
 * What comes out depends on the seed, the epoch and the item's position only, never on which worker runs this.
 */
import { parentPort, workerData } from "node:worker_threads";
import { augmentInto } from "../augment/index.ts";
import { DataError } from "../errors.ts";
import { random } from "../random.ts";
import type { BatchItem, BatchTask, WorkerAnswer, WorkerSetup } from "./loader-messages.ts";
import { type PreparedCase, prepareCase } from "./prepare.ts";

const setup = workerData as WorkerSetup;
const port = parentPort;
if (!port) throw new DataError("loader-worker: must be started as a worker thread");

port.on("message", (task: BatchTask) => {
  fillBatch(task).then(
    (answer) => {
      const transfer = "input" in answer ? [answer.input.buffer, ...(answer.target ? [answer.target.buffer] : [])] : [];
      port.postMessage(answer, transfer as ArrayBuffer[]);
    },
    (error: unknown) => {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      port.postMessage({ task: task.task, error: { name, message } } satisfies WorkerAnswer);
    },
  );
});

async function fillBatch(task: BatchTask): Promise<WorkerAnswer> {
  const { batch, patch, prepare, targetType } = setup;
  const voxels = patch.reduce((a, b) => a * b, 1);
  const input = new Float32Array(task.input ?? new ArrayBuffer(4 * batch * prepare.channels * voxels));
  const targetBuffer = targetType === "none" ? null : (task.target ?? new ArrayBuffer(4 * batch * voxels));
  const target =
    targetBuffer && (targetType === "int32" ? new Int32Array(targetBuffer) : new Float32Array(targetBuffer));
  const prepared = new Map<number, PreparedCase>();
  for (const [slot, item] of task.items.entries()) {
    Atomics.store(setup.working, 0, item.index);
    let sample = item.cached ?? prepared.get(item.index);
    if (!sample) {
      sample = await prepareShared(item);
      prepared.set(item.index, sample);
    }
    const stream = random(setup.seed, `augment/${task.epoch}/${item.position}`);
    const augmentation = item.repeat ? setup.repeatAugmentation : setup.augmentation;
    augmentInto(sample, { ...setup, augmentation }, stream, { input, target }, slot);
  }
  Atomics.store(setup.working, 0, -1);
  return { task: task.task, input, target, prepared: [...prepared].map(([index, sample]) => ({ index, sample })) };
}

/** Prepares a case and puts it into memory that all threads share. */
async function prepareShared({ case: item }: BatchItem): Promise<PreparedCase> {
  const made = await prepareCase(item, setup.prepare, setup.targetType !== "none").catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    throw message.includes(item.id) ? error : new DataError(`${item.id}: ${message}`, { cause: error });
  });
  return {
    id: made.id,
    image: new Float32Array(shared(made.image)),
    label: made.label && new Int16Array(shared(made.label)),
    channels: made.channels,
    spatial: made.spatial,
    spacingMm: made.spacingMm,
    foreground: {
      classes: made.foreground.classes,
      voxels: made.foreground.voxels.map((voxels) => new Int32Array(shared(voxels))),
    },
  };
}

function shared(values: Float32Array | Int16Array | Int32Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(values.byteLength);
  new Uint8Array(memory).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return memory;
}
