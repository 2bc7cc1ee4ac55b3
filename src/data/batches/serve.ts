/**
 * A worker thread's side of the loader, whatever the task: it prepares the items that nobody has yet and adds each to a batch.
 * What comes out depends on the seed, the epoch and the item's position only, never on which worker runs this.
 */
import { parentPort, workerData } from "node:worker_threads";
import { DataError } from "../../errors.ts";
import { readVolume } from "../../files/index.ts";
import type { ReadVolume } from "./cache.ts";
import type { BatchAnswer, BatchItem, BatchTask, WorkerSetup } from "./mapper.ts";

/** How a task's items become its batches. */
export interface BatchMaker<Item, Source, Made> {
  /** From the item's files into memory that all threads share. */
  prepare(item: Item, read: ReadVolume): Promise<Source>;
  bytesOf(source: Source): number;
  /** A batch in these buffers, where there are any; new memory is 0, and used memory is whatever it was. */
  begin(buffers: readonly (ArrayBuffer | undefined)[]): OpenBatch<Item, Source, Made>;
}

export interface OpenBatch<Item, Source, Made> {
  add(slot: number, source: Source, item: BatchItem<Item, Source>): void;
  /** What is sent, and which of its memory goes along instead of being copied. */
  end(): { readonly made: Made; readonly transfer: readonly ArrayBuffer[] };
}

/** Answers the loader's tasks from now on; `makerOf` gets what the mapper set up. */
export function serveBatches<Setup extends object, Item extends { readonly id: string }, Source, Made>(
  makerOf: (setup: Setup) => BatchMaker<Item, Source, Made>,
): void {
  const { setup, working } = workerData as WorkerSetup<Setup>;
  const port = parentPort;
  if (!port) throw new DataError("a loader's worker must be started as a worker thread");
  const maker = makerOf(setup);

  async function answer({ task, items, buffers }: BatchTask<Item, Source>): Promise<void> {
    const batch = maker.begin(buffers);
    const prepared = new Map<number, Source>();
    for (const [slot, one] of items.entries()) {
      Atomics.store(working, 0, one.index);
      let source = one.source ?? prepared.get(one.index);
      if (source === undefined) {
        const files = new Map(one.files);
        source = await named(
          one.item,
          maker.prepare(one.item, async (path) => files.get(path) ?? readVolume(path)),
        );
        prepared.set(one.index, source);
      }
      batch.add(slot, source, one);
    }
    Atomics.store(working, 0, -1);
    const { made, transfer } = batch.end();
    const news = [...prepared].map(([index, source]) => ({ index, source, bytes: maker.bytesOf(source) }));
    port!.postMessage({ task, made, prepared: news } satisfies BatchAnswer<Made, Source>, [...transfer]);
  }

  port.on("message", (asked: BatchTask<Item, Source>) => {
    answer(asked).catch((error: unknown) => {
      Atomics.store(working, 0, -1);
      port.postMessage({ task: asked.task, error: { message: messageOf(error) } } satisfies BatchAnswer<Made, Source>);
    });
  });
}

/** An error says which item it is about. */
async function named<T>({ id }: { readonly id: string }, preparing: Promise<T>): Promise<T> {
  return preparing.catch((error: unknown) => {
    const message = messageOf(error);
    throw message.includes(id) ? error : new DataError(`${id}: ${message}`, { cause: error });
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A batch of one: the item as it lies in memory. */
export function wholeItems<Item, Source>(
  maker: Pick<BatchMaker<Item, Source, unknown>, "prepare" | "bytesOf">,
): BatchMaker<Item, Source, Source> {
  return {
    ...maker,
    begin: () => {
      let whole: Source;
      return {
        add: (_, source) => {
          whole = source;
        },
        end: () => ({ made: whole, transfer: [] }),
      };
    },
  };
}
