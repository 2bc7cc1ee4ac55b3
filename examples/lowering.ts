/**
 * One convolution through lowering: the nodes of a training step as the operator table writes them and as the CPU gets them, and
 * what both take. `docs/explanation/lowering.md` explains what is printed.
 *
 *   npm run build && npx tsx examples/lowering.ts
 */
import {
  cleanUp,
  conv,
  encodeOnnx,
  type Graph,
  gradients,
  graph,
  joinWeights,
  lower,
  mean,
  mul,
  pieceNames,
  pieceShapes,
  reachable,
  relu,
  type Shape,
  splitWeights,
  square,
  sub,
  type Tensor,
} from "medvox/graph";
import { kaimingNormal } from "medvox/nn";
import { createEngine, type Feeds } from "medvox/runtime";

type Outputs = Readonly<Record<string, Tensor>>;

/** Outputs by name, in a graph in which equal nodes are one and nothing is computed for nobody. */
function cleaned(outputs: Outputs): { readonly graph: Graph; readonly outputs: Outputs } {
  const names = Object.keys(outputs);
  const clean = cleanUp(outputs[names[0]].graph, Object.values(outputs));
  return { graph: clean.graph, outputs: Object.fromEntries(names.map((name, i) => [name, clean.outputs[i]])) };
}

/** A step of plain gradient descent on one 3×3×3 convolution of a map of `size`³. */
function step(channels: number, size: number, dilation: number) {
  const g = graph({ training: true });
  const x = g.input("x", [2, channels, size, size, size]);
  const w = g.parameter("w", [channels, channels, 3, 3, 3], kaimingNormal);
  const loss = mean(square(relu(conv(x, w, { padding: dilation, dilation }))));
  const [slope] = gradients(loss, [w]);
  const plain = cleaned({ loss, "next:w": sub(w, mul(slope, 0.1)) });
  const { outputs, layouts } = lower(plain.graph, plain.outputs, { renews: { "next:w": "w" } });
  return { x, w, plain, lowered: cleaned(outputs), layout: layouts.get("w")! };
}

/** One line for each node: what it reads, what it makes. */
function show(outputs: Outputs): void {
  const nameOf = ({ source }: Tensor): string => {
    if (source.kind === "parameter") return source.info.name;
    if (source.kind === "input") return source.name;
    return source.kind === "constant" ? "const" : "";
  };
  const text = (tensor: Tensor): string => `${nameOf(tensor)}[${tensor.shape.join(",")}]`;
  for (const { op, inputs, outputs: made } of reachable(...Object.values(outputs))) {
    console.log(`  ${op.padEnd(18)} ${inputs.map(text).join(" ")} → ${made.map(text).join(" ")}`);
  }
}

const random = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898) * 0.1);

async function follow(title: string, channels: number, size: number, dilation: number): Promise<void> {
  const { x, w, plain, lowered, layout } = step(channels, size, dilation);
  console.log(`\n${title}: x [${x.shape.join(",")}], w [${w.shape.join(",")}], dilation ${dilation}`);
  console.log("as the operator table writes it:");
  show(plain.outputs);
  console.log("lowered:");
  show(lowered.outputs);
  const shapes = pieceShapes(w.shape, layout);
  console.log(
    `w is stored as ${pieceNames("w", layout)
      .map((name, i) => `${name} [${shapes[i].join(",")}]`)
      .join(", ")}`,
  );

  const engine = await createEngine({ threads: 1 });
  const feed = { x: { data: random(x.size), shape: x.shape } };
  const weights = random(w.size);
  const measure = async ({ graph: g, outputs }: ReturnType<typeof cleaned>, stored: Feeds) => {
    const program = await engine.load(encodeOnnx(g, outputs, { contrib: true }));
    let best = Number.POSITIVE_INFINITY;
    let result = await program.run({ ...feed, ...stored });
    for (let i = 0; i < 20; i++) {
      result = await program.run({ ...feed, ...stored });
      best = Math.min(best, result.ms);
    }
    return { best, outputs: result.outputs };
  };
  const before = await measure(plain, { w: { data: weights, shape: w.shape } });
  const pieces = splitWeights(weights, w.shape, layout);
  const names = pieceNames("w", layout);
  const after = await measure(
    lowered,
    Object.fromEntries(names.map((name, i) => [name, { data: pieces[i], shape: shapes[i] }])),
  );
  const joined = joinWeights(
    pieceNames("next:w", layout).map((name) => after.outputs[name].data as Float32Array),
    w.shape as Shape,
    layout,
  );
  const there = before.outputs["next:w"].data as Float32Array;
  const difference = joined.reduce((most, value, i) => Math.max(most, Math.abs(value - there[i])), 0);
  console.log(`${before.best.toFixed(1)} ms before, ${after.best.toFixed(1)} ms lowered, one thread, best of 20`);
  console.log(`the renewed weights differ by at most ${difference.toExponential(0)}`);
  await engine.close();
}

await follow("an undilated layer", 64, 12, 1);
await follow("a dilated layer on a small map", 64, 4, 2);
