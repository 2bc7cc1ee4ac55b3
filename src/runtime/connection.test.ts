/** The engine over ports that are no thread of Node, as a browser's are. */
import { MessageChannel } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test, vi } from "vitest";
import { DeviceError } from "../errors.ts";
import * as m from "../graph/index.ts";
import { Connection } from "./connection.ts";
import { connectEngine } from "./engine.ts";
import type { CallerPort, Question, Reply } from "./protocol.ts";
import { serveEngine } from "./serve-engine.ts";

/** A port whose other end is the test. */
function port() {
  const sent: Question[] = [];
  const holds: boolean[] = [];
  let answer: (reply: Reply) => void = () => {};
  let die: (reason: string) => void = () => {};
  const end: CallerPort = {
    onMessage: (listener) => void (answer = listener),
    onDeath: (listener) => void (die = listener),
    post: (question) => void sent.push(question),
    hold: (waits) => void holds.push(waits),
    close: () => Promise.resolve(),
  };
  return { end, sent, holds, answer: (reply: Reply) => answer(reply), die: (reason: string) => die(reason) };
}

describe("a connection", () => {
  test("gives each question its own answer, in whatever order they come", async () => {
    const { end, sent, holds, answer } = port();
    const connection = new Connection(end);
    answer({ id: -1, ok: true, value: "ready" });
    await connection.ready;
    const [first, second] = ["one", "two"].map((what) => connection.ask(what, { kind: "memory" }));
    answer({ id: sent[1].id, ok: true, value: 2 });
    answer({ id: sent[0].id, ok: false, message: "it failed" });
    await expect(first).rejects.toThrow(new DeviceError("engine: one: it failed"));
    expect(await second).toBe(2);
    // Released when the last question is answered, not before.
    expect(holds).toEqual([false, true, true, false]);
  });

  test("that dies names what ran, and answers nothing later", async () => {
    const { end, answer, die } = port();
    const connection = new Connection(end);
    answer({ id: -1, ok: true, value: "ready" });
    const running = connection.ask("step 12", { kind: "memory" });
    die("no heartbeat");
    const dead = "engine: the worker failed while step 12: no heartbeat";
    await expect(running).rejects.toThrow(dead);
    await expect(connection.ask("step 13", { kind: "memory" })).rejects.toThrow(dead);
  });

  test("that never began says so", async () => {
    const { end, die } = port();
    const connection = new Connection(end);
    die("no such file");
    await expect(connection.ready).rejects.toThrow("engine: the worker failed while starting the engine: no such file");
  });

  test("that is closed leaves nobody waiting, though the other end says nothing", async () => {
    const { end } = port();
    const connection = new Connection(end);
    connection.ready.catch(() => {});
    const running = connection.ask("step 12", { kind: "memory" });
    running.catch(() => {});
    await connection.close();
    await expect(running).rejects.toThrow("engine: it is closed");
  });
});

describe.each([true, false])("an engine served over a channel (outputs preallocated: %s)", (preallocates) => {
  async function served() {
    const { port1, port2 } = new MessageChannel();
    const create = vi.fn(InferenceSession.create.bind(InferenceSession));
    serveEngine(
      {
        ort: { InferenceSession: { create }, Tensor },
        sessionOptions: ({ optimize }) => ({ graphOptimizationLevel: optimize ? "all" : "basic" }),
        preallocates,
        memory: () => 123,
      },
      {
        onMessage: (listener) => void port2.on("message", listener),
        post: (reply, transfer) => port2.postMessage(reply, transfer),
      },
    );
    const engine = await connectEngine(
      {
        onMessage: (listener) => void port1.on("message", listener),
        post: (question, transfer) => port1.postMessage(question, transfer),
        onDeath: () => {},
        close: async () => port1.close(),
      },
      { device: "cpu", threads: 1 },
    );
    return { engine, create };
  }

  test("renews a bank step after step, keeps what another program reads, and hands feeds back", async () => {
    const { engine, create } = await served();
    expect(await engine.memory()).toBe(123);
    const g = m.graph();
    const [x, w] = [g.input("x", [2]), g.input("w", [2])];
    const step = await engine.load(g.toOnnx({ "next:w": m.add(w, x), seen: m.mul(w, 10), last: m.neg(w) }), {
      optimize: false,
    });
    expect(create.mock.lastCall?.[1]).toEqual({ graphOptimizationLevel: "basic" });
    const bank = engine.bank();
    await bank.write({ w: { data: Float32Array.of(1, 2), shape: [2] } });
    const options = { bank, renew: { w: "next:w" }, keep: { last: "last" }, fetch: ["seen"], recycle: true };
    for (const seen of [
      [10, 20],
      [20, 40],
      [30, 60],
    ]) {
      const feeds = { x: { data: Float32Array.of(1, 2), shape: [2] } };
      const into = { seen: { data: new Float32Array(2), shape: [2] } };
      const found = await step.run(feeds, { ...options, into });
      expect(found.outputs.seen).toEqual({ data: Float32Array.from(seen), shape: [2] });
      expect(found.feeds).toEqual({ x: Float32Array.of(1, 2) });
      expect(feeds.x.data).toHaveLength(0);
    }
    expect(await bank.read()).toEqual(
      new Map([
        ["w", { data: Float32Array.of(4, 8), shape: [2] }],
        ["last", { data: Float32Array.of(-3, -6), shape: [2] }],
      ]),
    );
    await step.close();
    await expect(step.run({})).rejects.toThrow("engine: program: the program is closed");
    await engine.close();
  });
});
