/** Calls come one after another, in their order; what is given up or too many never begins. */
import { expect, test } from "vitest";
import { ConfigError } from "./errors.ts";
import { takingTurns } from "./turns.ts";

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("one works at a time, in the order of the calls, and a failure ends its own turn only", async () => {
  const turns = takingTurns({ name: "it", mostWaiting: 5 });
  const said: string[] = [];
  const work = (name: string) => async () => {
    said.push(`${name} begins`);
    await pause();
    said.push(`${name} ends`);
    if (name === "b") throw new Error("b is broken");
    return name;
  };
  const results = await Promise.allSettled(["a", "b", "c"].map((name) => turns.take(work(name))));
  expect(said).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("a call that waits is given up at once, with the signal's reason", async () => {
  const turns = takingTurns({ name: "it", mostWaiting: 5 });
  let finish = (): void => {};
  const first = turns.take(() => new Promise<void>((resolve) => (finish = resolve)));
  const stop = new AbortController();
  let began = false;
  const second = turns.take(async () => void (began = true), stop.signal);
  const third = turns.take(async () => "third");
  await pause();
  expect(turns.waiting).toBe(2);
  stop.abort(new Error("the client has gone"));
  await expect(second).rejects.toThrow("the client has gone");
  finish();
  await first;
  expect(await third).toBe("third");
  expect(began).toBe(false);
  await expect(turns.take(async () => 1, stop.signal)).rejects.toThrow("the client has gone");
});

test("more than may wait are refused at once", async () => {
  const turns = takingTurns({ name: "segmenter", mostWaiting: 1 });
  let finish = (): void => {};
  const first = turns.take(() => new Promise<void>((resolve) => (finish = resolve)));
  const second = turns.take(async () => "second");
  await expect(turns.take(async () => "third")).rejects.toThrow(
    new ConfigError(
      "segmenter: 1 calls wait already, which is the most that may (mostWaiting); ask again later, or allow more",
    ),
  );
  finish();
  await first;
  expect(await second).toBe("second");
  expect(() => takingTurns({ name: "it", mostWaiting: -1 })).toThrow("mostWaiting -1");
});
