/**
 * The whole training step of MedicalNet's ResNet-10 (conv_seg head, cross-entropy, SGD) under several rules for the forms of
 * its convolutions, measured in turn in one process: minimum and median of each, and the ratio to the first.
 *
 *   npx tsx bench/forms/step.ts [--size 48] [--rounds 12] [--threads 2] [--rules gathered/winograd]
 *
 * The rule `pytorch` is PyTorch's step (`bench/peers/torch_step.py`; MEDVOX_PEER_PYTHON names the Python).
 * On one thread the processor time is told instead, which another program on the same cores disturbs less.
 */
import { parseArgs } from "node:util";
import { cleanUp, lower, pieceNames, pieceShapes, splitWeights } from "../../src/graph/index.ts";
import { chooseAlgorithms, chooseForms, chooseGathered, type FormRule } from "../../src/graph/lowering/forms.ts";
import { convSeg, crossEntropy, resnet3d, sgd } from "../../src/nn/index.ts";
import { random } from "../../src/random.ts";
import { type ArrayMessage, createEngine } from "../../src/runtime/index.ts";
import { buildStep, encodeBuilt } from "../../src/train/model/step.ts";
import { timesOf } from "../alternate.ts";
import { cpuSeconds, findPython, Peer } from "../peer.ts";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "48" },
    rounds: { type: "string", default: "12" },
    threads: { type: "string", default: "2" },
    rules: { type: "string", default: "gathered/winograd" },
  },
});

const rules: Readonly<Record<string, FormRule>> = {
  winograd: { chooseForms, chooseAlgorithms },
  /** Winograd, but not Karatsuba's form for lines of two. */
  "winograd, paired": {
    chooseForms: (convolution) => {
      const forms = chooseForms(convolution);
      const lines = forms.forward === "winograd" ? chooseAlgorithms(convolution, true) : [];
      return lines.includes("karatsuba") ? chooseGathered(convolution) : forms;
    },
    chooseAlgorithms,
  },
  /** Wide and paired forms where Winograd would be taken. */
  gathered: {
    chooseForms: (convolution) => {
      const forms = chooseForms(convolution);
      return forms.forward === "winograd" ? chooseGathered(convolution) : forms;
    },
    chooseAlgorithms,
  },
};

const size = Number(values.size);
const threads = Number(values.threads);
const classes = 3;
const engine = await createEngine({ threads });
const image = { shape: [2, 1, size, size, size], dtype: "float32" } as const;
const label = { shape: [2, size / 4, size / 4, size / 4], dtype: "int32" } as const;
const stream = random(0, "bench batch");
const feeds: Record<string, ArrayMessage> = {
  image: { data: Float32Array.from({ length: 2 * size ** 3 }, () => stream.normal()), shape: image.shape },
  label: { data: Int32Array.from({ length: 2 * (size / 4) ** 3 }, () => stream.integer(classes)), shape: label.shape },
};
const optimizer = sgd({ lr: 1e-3, momentum: 0.9, weightDecay: 1e-3 });
for (const [name, value] of Object.entries(optimizer.scalars(1, 1e-3)))
  feeds[name] = { data: Float32Array.of(value), shape: [] };

async function loaded(rule: FormRule): Promise<() => Promise<{ ms: number; loss: number }>> {
  const built = buildStep(
    {
      network: (inputs) => ({ scores: convSeg(resnet3d(inputs.image, { depth: 10 }).out, classes) }),
      loss: ({ scores }, inputs) => crossEntropy(scores, inputs.label),
      optimizer,
      accumulate: 1,
    },
    { image, label },
  );
  const clean = cleanUp(built.graph, Object.values(built.outputs));
  const named = Object.fromEntries(Object.keys(built.outputs).map((name, i) => [name, clean.outputs[i]]));
  const renews = Object.fromEntries(Object.entries(built.renew).map(([entry, output]) => [output, entry]));
  const storedLike = (entry: string): string =>
    entry.startsWith("optimizer.") ? entry.split(".").slice(2).join(".") : entry;
  const lowered = lower(clean.graph, named, { storedLike, renews, rule });
  const program = await engine.load(encodeBuilt(lowered, true), { label: "training step" });
  const bank = engine.bank();
  for (const [name, { shape, source }] of built.graph.parameters) {
    if (source.kind !== "parameter") continue;
    const data = source.info.initialize(shape, random(0, name));
    const layout = lowered.layouts.get(storedLike(name));
    if (layout === undefined) await bank.write({ [name]: { data, shape } });
    else {
      const names = pieceNames(name, layout);
      const shapes = pieceShapes(shape, layout);
      for (const [i, piece] of splitWeights(data, shape, layout).entries())
        await bank.write({ [names[i]]: { data: piece, shape: shapes[i] } });
    }
  }
  const renew = Object.fromEntries(
    program.outputs.filter((name) => name.startsWith("next:")).map((name) => [name.slice(5), name]),
  );
  return async () => {
    const before = process.cpuUsage();
    const { outputs, ms: wall } = await program.run(feeds, { bank, renew, fetch: ["loss"] });
    const { user, system } = process.cpuUsage(before);
    const ms = threads === 1 ? (user + system) / 1000 : wall;
    return { ms, loss: outputs.loss.data[0] as number };
  };
}

let peer: Peer | undefined;
async function pytorch(): Promise<() => Promise<{ ms: number; loss: number }>> {
  const python = findPython(["torch"]);
  if (python === undefined) throw new Error("pytorch: no Python with torch; set MEDVOX_PEER_PYTHON");
  const process = Peer.python(python, "torch_step.py");
  peer = process;
  await process.ask({ cmd: "setup", batch: 2, size: [size, size, size], classes, threads });
  return async () => {
    const before = cpuSeconds(process.pid);
    const { ms, loss } = await process.ask({ cmd: "step" });
    const used = 1000 * (cpuSeconds(process.pid) - before);
    return { ms: threads === 1 ? used : Number(ms), loss: Number(loss) };
  };
}

const sides: { name: string; step: () => Promise<{ ms: number; loss: number }>; times: number[] }[] = [];
for (const name of values.rules.split("/")) {
  const began = performance.now();
  const step = await (name === "pytorch" ? pytorch() : loaded(rules[name]));
  const { loss } = await step();
  console.log(
    `${name}: first step after ${((performance.now() - began) / 1000).toFixed(1)} s, loss ${loss.toFixed(5)}`,
  );
  sides.push({ name, step, times: [] });
}
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { step, times } of sides) times.push((await step()).ms);
}
const first = timesOf(sides[0].times);
for (const { name, times } of sides) {
  const { min, median } = timesOf(times);
  const ratios = `min ${(min / first.min).toFixed(3)}, median ${(median / first.median).toFixed(3)} of ${sides[0].name}`;
  console.log(`${size}³ ${name}: min ${min.toFixed(1)} ms, median ${median.toFixed(1)} ms; ${ratios}`);
}
await peer?.close();
await engine.close();
