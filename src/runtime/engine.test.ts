/** The engine: values, failures that name what ran, banks, and a caller's thread that is never held up. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { DeviceError } from "../errors.ts";
import * as m from "../graph/index.ts";
import type * as Threads from "../threads.ts";
import { createEngine, type Engine, type Program, probeDevice } from "./index.ts";

/** The worker behind the engine that was made last, so that a test can end it. */
const spawned = vi.hoisted((): { worker?: Worker } => ({}));
vi.mock("../threads.ts", async (original) => {
  const module = await original<typeof Threads>();
  const spawnWorker: typeof module.spawnWorker = (...args) => (spawned.worker = module.spawnWorker(...args));
  return { ...module, spawnWorker };
});

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const floats = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length] });

/** A program that works for a second or so: one product after another. */
async function longProgram(on: Engine, size = 512, products = 60): Promise<{ program: Program; feeds: object }> {
  const g = m.graph();
  const x = g.input("x", [size, size]);
  let y = x;
  for (let i = 0; i < products; i++) y = m.tanh(m.matmul(y, x));
  const program = await on.load(g.toOnnx({ y: m.sum(y) }), { label: "a long one" });
  return { program, feeds: { x: { data: new Float32Array(size * size).fill(0.01), shape: [size, size] } } };
}

describe("values", () => {
  test("come back with their shapes", async () => {
    const g = m.graph();
    const x = g.input("x", [2, 2]);
    const program = await engine.load(g.toOnnx({ twice: m.mul(x, 2), sum: m.sum(x) }));
    expect([program.inputs, program.outputs]).toEqual([["x"], ["twice", "sum"]]);
    const { outputs } = await program.run({ x: { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] } });
    expect(outputs).toEqual({
      twice: { data: Float32Array.of(2, 4, 6, 8), shape: [2, 2] },
      sum: { data: Float32Array.of(10), shape: [] },
    });
  });

  test("of every element type go in and out", async () => {
    const g = m.graph();
    const inputs = {
      i32: { data: Int32Array.of(-1, 2), shape: [2] },
      i64: { data: BigInt64Array.of(-1n, 2n ** 40n), shape: [2] },
      u32: { data: Uint32Array.of(1, 2 ** 32 - 1), shape: [2] },
      bool: { data: Uint8Array.of(0, 1), shape: [2] },
    };
    const names = { i32: "int32", i64: "int64", u32: "uint32", bool: "bool" } as const;
    const outputs = Object.fromEntries(
      Object.entries(names).map(([name, dtype]) => [`same_${name}`, m.stopGradient(g.input(name, [2], dtype))]),
    );
    const program = await engine.load(g.toOnnx(outputs), { optimize: false });
    const found = (await program.run(inputs)).outputs;
    for (const [name, input] of Object.entries(inputs)) expect(found[`same_${name}`], name).toEqual(input);
  });

  test("only what was asked for", async () => {
    const g = m.graph();
    const x = g.input("x", [1]);
    const program = await engine.load(g.toOnnx({ a: m.add(x, 1), b: m.add(x, 2) }));
    expect((await program.run({ x: floats(1) }, { fetch: ["b"] })).outputs).toEqual({ b: floats(3) });
  });

  test("are the same bits in every run and every engine of as many threads", async () => {
    const g = m.graph();
    const x = g.input("x", [2, 16, 6, 7, 8]);
    const w = g.constant(
      Float32Array.from({ length: 16 * 16 * 27 }, (_, i) => Math.sin(i)),
      [16, 16, 3, 3, 3],
    );
    const model = g.toOnnx({ y: m.conv(m.relu(m.conv(x, w, { padding: 1 })), w) });
    const feeds = { x: { data: Float32Array.from({ length: x.size }, (_, i) => Math.cos(i)), shape: x.shape } };
    const results: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const own = await createEngine({ threads: 2 });
      const program = await own.load(model);
      for (let k = 0; k < 2; k++) results.push((await program.run(feeds)).outputs.y);
      await own.close();
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  test("asked for all at once are answered each with its own", async () => {
    const g = m.graph();
    const program = await engine.load(g.toOnnx({ y: m.mul(g.input("x", [1]), 10) }));
    const asked = Array.from({ length: 50 }, (_, i) => program.run({ x: floats(i) }));
    const found = (await Promise.all(asked)).map(({ outputs }) => outputs.y.data[0]);
    expect(found).toEqual(Array.from({ length: 50 }, (_, i) => 10 * i));
  });
});

describe("feeds", () => {
  let program: Program;
  beforeAll(async () => {
    const g = m.graph();
    program = await engine.load(g.toOnnx({ y: m.add(g.input("x", [2]), 1) }), { label: "adder" });
  });

  test("stay the caller's", async () => {
    const x = floats(1, 2);
    expect((await program.run({ x })).feeds).toBeUndefined();
    expect(x.data).toEqual(Float32Array.of(1, 2));
  });

  test("are handed over and come back when recycled", async () => {
    const x = floats(1, 2);
    const { feeds, outputs } = await program.run({ x }, { recycle: true });
    expect(x.data).toHaveLength(0);
    expect(feeds).toEqual({ x: Float32Array.of(1, 2) });
    expect(outputs.y.data).toEqual(Float32Array.of(2, 3));
  });

  test.each([
    ["missing", {}, /^engine: adder: input x is not fed$/],
    ["of another shape", { x: floats(1, 2, 3) }, /^engine: adder: .*x.*Got: 3 Expected: 2/s],
    ["of another type", { x: { data: Int32Array.of(1, 2), shape: [2] } }, /^engine: adder: .*int32.*float/s],
  ])("%s: an error that names the program", async (_, feeds, message) => {
    const failed = await program.run(feeds).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(DeviceError);
    expect((failed as Error).message).toMatch(message);
    expect((await program.run({ x: floats(1, 2) })).outputs.y.data).toEqual(Float32Array.of(2, 3));
  });
});

describe("failures", () => {
  test("bytes that are no model", async () => {
    await expect(engine.load(Uint8Array.of(1, 2, 3), { label: "broken" })).rejects.toThrow(
      /^engine: loading broken on cpu: /,
    );
    await expect(engine.load(Uint8Array.of(1, 2, 3))).rejects.toBeInstanceOf(DeviceError);
  });

  test("a device that is none", async () => {
    const other = await createEngine({ device: "none" as "cpu", threads: 1 });
    const g = m.graph();
    await expect(other.load(g.toOnnx({ y: m.relu(g.input("x", [1])) }))).rejects.toThrow(
      /^engine: loading program on none: /,
    );
    await other.close();
  });

  test("more memory than there is: the program is named, and the engine goes on", async () => {
    const g = m.graph();
    const x = g.input("x", [1]);
    const program = await engine.load(g.toOnnx({ y: m.sum(m.expand(x, [2 ** 26, 2 ** 26])) }), { label: "the greedy" });
    await expect(program.run({ x: floats(1) })).rejects.toThrow(/^engine: the greedy: /);
    const h = m.graph();
    const modest = await engine.load(h.toOnnx({ y: m.neg(h.input("x", [1])) }));
    expect((await modest.run({ x: floats(1) })).outputs.y.data[0]).toBe(-1);
  });

  test("a closed program", async () => {
    const g = m.graph();
    const program = await engine.load(g.toOnnx({ y: m.relu(g.input("x", [1])) }), { label: "short-lived" });
    await program.close();
    await program.close();
    await expect(program.run({ x: floats(1) })).rejects.toThrow("engine: short-lived: the program is closed");
  });

  test("a request that cannot be sent", async () => {
    const g = m.graph();
    const program = await engine.load(g.toOnnx({ y: m.relu(g.input("x", [1])) }), { label: "told badly" });
    const feeds = { x: { data: (() => 1) as unknown as Float32Array, shape: [1] } };
    await expect(program.run(feeds)).rejects.toThrow(
      "told badly: x: its data are a function; expected a Float32Array, or an Int32Array for whole numbers such as labels",
    );
  });

  test("a dead worker: what ran is named, everything after fails too, nothing hangs", async () => {
    const doomed = await createEngine({ threads: 1 });
    const bank = doomed.bank();
    const { program, feeds } = await longProgram(doomed, 256, 4);
    const pending = [program.run(feeds as never), program.run(feeds as never), bank.read()].map((asked) =>
      asked.catch((error: unknown) => error),
    );
    // As a thread that is killed says it; one that is killed while ONNX Runtime computes in it may end the process of the test, too.
    spawned.worker!.emit("exit", 1);
    const failed = "engine: the worker failed while a long one: its thread ended with code 1";
    for (const error of await Promise.all(pending)) {
      expect(error).toBeInstanceOf(DeviceError);
      expect((error as Error).message).toBe(failed);
    }
    for (const later of [
      program.run(feeds as never),
      program.close(),
      bank.close(),
      doomed.memory(),
      doomed.load(Uint8Array.of()),
    ])
      await expect(later).rejects.toThrow(failed);
    await doomed.close();
  });

  test("an error nobody caught in the worker", async () => {
    const doomed = await createEngine({ threads: 1 });
    const asked = doomed.memory();
    spawned.worker!.emit("error", new RangeError("out of the blue"));
    await expect(asked).rejects.toThrow("engine: the worker failed while measuring memory: out of the blue");
    await expect(doomed.memory()).rejects.toThrow("out of the blue");
    await doomed.close();
  });

  test("a closed engine: what was pending and what comes later", async () => {
    const own = await createEngine({ threads: 1 });
    const { program, feeds } = await longProgram(own, 256, 4);
    const pending = program.run(feeds as never);
    const closing = own.close();
    await expect(pending).rejects.toThrow("engine: it is closed");
    await closing;
    await expect(own.memory()).rejects.toThrow("engine: it is closed");
  });
});

test("the caller's thread goes on while a program runs", async () => {
  const { program, feeds } = await longProgram(engine);
  let running = true;
  let ticks = 0;
  const run = program.run(feeds as never).finally(() => {
    running = false;
  });
  while (running) {
    await new Promise((resolve) => setImmediate(resolve));
    ticks++;
  }
  const { ms } = await run;
  // A caller held up for the run's time would get round a handful of times; a free one does so many times a millisecond.
  expect(ticks, `ticks in ${ms} ms`).toBeGreaterThan(100);
});

test("an engine that is not closed does not keep the process", () => {
  const index = new URL("./index.ts", import.meta.url).href;
  const graph = new URL("../graph/index.ts", import.meta.url).href;
  const script = `
    import { createEngine } from ${JSON.stringify(index)};
    import { graph, relu } from ${JSON.stringify(graph)};
    const g = graph();
    const engine = await createEngine({ threads: 1 });
    const program = await engine.load(g.toOnnx({ y: relu(g.input("x", [1])) }));
    const { outputs } = await program.run({ x: { data: Float32Array.of(3), shape: [1] } });
    console.log("y is " + outputs.y.data[0]);`;
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const options = ["--import", "tsx", "--input-type=module", "-e", script];
  expect(execFileSync(process.execPath, options, { cwd: root, encoding: "utf8" })).toBe("y is 3\n");
});

describe("banks", () => {
  /** w ← w + x, and what w was. */
  async function counter(): Promise<Program> {
    const g = m.graph();
    const w = g.parameter("w", [2], () => new Float32Array(2));
    const next = m.add(w, g.input("x", [2]));
    return engine.load(g.toOnnx({ before: m.mul(w, 1.5), "next:w": next }), { label: "counter" });
  }
  const renew = { w: "next:w" };
  const numbersIn = async (bank: ReturnType<Engine["bank"]>): Promise<number[]> => [
    ...(await bank.read()).get("w")!.data,
  ];

  test("a step renews its entries, time after time; what was read is a copy", async () => {
    const program = await counter();
    const bank = engine.bank();
    await bank.write({ w: floats(0, 10) });
    const first = await bank.read(["w"]);
    for (let i = 1; i <= 5; i++) {
      const { outputs } = await program.run({ x: floats(1, 2) }, { bank, renew });
      expect(Object.keys(outputs)).toEqual(["before"]);
      expect([...outputs.before.data]).toEqual([1.5 * (i - 1), 1.5 * (10 + 2 * (i - 1))]);
      expect(await numbersIn(bank)).toEqual([i, 10 + 2 * i]);
    }
    expect(first.get("w")).toEqual({ data: Float32Array.of(0, 10), shape: [2] });
  });

  test("a run that does not renew leaves them", async () => {
    const program = await counter();
    const bank = engine.bank();
    await bank.write({ w: floats(1, 1) });
    await program.run({ x: floats(5, 5) }, { bank, fetch: ["before"] });
    expect(await numbersIn(bank)).toEqual([1, 1]);
  });

  test("two banks of one program do not meet, and a write replaces", async () => {
    const program = await counter();
    const [a, b] = [engine.bank(), engine.bank()];
    await a.write({ w: floats(1, 1) });
    await b.write({ w: floats(2, 2) });
    await program.run({ x: floats(1, 1) }, { bank: a, renew });
    expect([await numbersIn(a), await numbersIn(b)]).toEqual([
      [2, 2],
      [2, 2],
    ]);
    await b.write({ w: floats(7, 7) });
    await program.run({ x: floats(1, 1) }, { bank: b, renew });
    expect([await numbersIn(a), await numbersIn(b)]).toEqual([
      [2, 2],
      [8, 8],
    ]);
  });

  test("a step that fails half way leaves the values as they were", async () => {
    const g = m.graph();
    const w = g.parameter("w", [2], () => new Float32Array(2));
    const at = g.input("at", [1], "int32");
    const next = m.mul(w, 3);
    // The new values are there before the picking fails.
    const model = g.toOnnx({ "next:w": next, picked: m.gather(m.sum(next, { keepDims: true }), at) });
    const program = await engine.load(model, { label: "picking step" });
    const bank = engine.bank();
    await bank.write({ w: floats(1, 2) });
    const pick = (index: number) => program.run({ at: { data: Int32Array.of(index), shape: [1] } }, { bank, renew });
    await pick(0);
    expect(await numbersIn(bank)).toEqual([3, 6]);
    await expect(pick(9)).rejects.toThrow(/^engine: picking step: /);
    expect(await numbersIn(bank)).toEqual([3, 6]);
    expect((await pick(0)).outputs.picked.data[0]).toBe(27);
    expect(await numbersIn(bank)).toEqual([9, 18]);
  });

  test("an entry that is not there is named", async () => {
    const program = await counter();
    const bank = engine.bank();
    await expect(bank.read(["w"])).rejects.toThrow(`engine: reading parameters: bank ${bank.id} has no entry w`);
    await expect(program.run({ x: floats(1, 1) }, { bank, renew })).rejects.toThrow(
      `engine: counter: bank ${bank.id} has no entry w`,
    );
    await bank.write({ w: floats(1, 1) });
    await bank.close();
    expect((await bank.read()).size).toBe(0);
  });
});

describe("probing", () => {
  test("the processor works", async () => {
    expect(await probeDevice("cpu")).toEqual({ name: "cpu", works: true });
  });

  test("a device this build does not know says so", async () => {
    expect(await probeDevice("none" as "cpu")).toEqual({
      name: "none",
      works: false,
      why: "this build of onnxruntime does not know it",
    });
  });

  test("a process that does not answer is ended", async () => {
    const report = await probeDevice("cpu", 1);
    expect(report).toEqual({
      name: "cpu",
      works: false,
      why: "its process ended with SIGKILL when the device was first used",
    });
  });
});
