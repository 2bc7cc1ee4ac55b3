/**
 * Which weights of a file fit a network, by name and shape. Nothing is left out silently: what fits, what was reshaped, what the
 * network lacks and what it has no place for are all told, and a file of another network is refused.
 */
import { WeightsError } from "../errors.ts";
import type { WeightTensor } from "./safetensors.ts";
import { CheckpointTensors } from "./torch.ts";

export interface MatchOptions {
  /** The file, for messages. */
  readonly file: string;
  /**
   * Names that may be missing or of another shape without harm: a head for other classes. Everything else that is missing is told
   * as missing, and of another shape is an error.
   */
  readonly isHead?: (name: string) => boolean;
}

export interface MatchedWeights {
  /** By the network's names, in 32-bit floats. */
  readonly tensors: ReadonlyMap<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;
  /** Entries of the file that found their place, counters of batch norms included. */
  readonly matched: readonly string[];
  readonly reshaped: readonly {
    readonly name: string;
    readonly from: readonly number[];
    readonly to: readonly number[];
  }[];
  /** Parts of a head that have another shape in the file; they keep their first values. */
  readonly otherShape: readonly string[];
  /** Parts of a head that the file has not; they keep their first values, too. */
  readonly fresh: readonly string[];
  /** What the network has and the file has not. */
  readonly missing: readonly string[];
  /** What the file has and the network has not, by the file's names. */
  readonly unexpected: readonly string[];
}

const COUNTER = /(^|\.)num_batches_tracked$/;
/** What wraps a network in training scripts; DataParallel's comes first. */
const wrappers = ["module.", "model.", "net.", "network.", "backbone.", "encoder.", "_orig_mod."];

/**
 * @param target names and shapes of the network's parameters and running statistics
 * @throws WeightsError where nothing fits, the file holds another network, or a shape differs beyond the input's channels
 */
export function matchWeights(
  target: ReadonlyMap<string, readonly number[]>,
  source: ReadonlyMap<string, WeightTensor>,
  { file, isHead = () => false }: MatchOptions,
): MatchedWeights {
  const given = unwrapped(source, target, file);
  const shapes = new Map([...given].map(([name, { tensor }]) => [name, tensor.shape]));
  refuseOther(target, shapes, file);
  const tensors = new Map<string, { data: Float32Array; shape: readonly number[] }>();
  const matched: string[] = [];
  const reshaped: { name: string; from: readonly number[]; to: readonly number[] }[] = [];
  const otherShape: string[] = [];
  const unexpected: string[] = [];
  for (const [name, { tensor, from }] of given) {
    const wanted = target.get(name);
    if (wanted === undefined) {
      const counts = COUNTER.test(name) && target.has(name.replace(COUNTER, "$1running_mean"));
      (counts ? matched : unexpected).push(from);
      continue;
    }
    if (wanted.join() === tensor.shape.join()) {
      tensors.set(name, { data: floats(tensor, name, file), shape: wanted });
    } else if (isInput(name, wanted, tensor.shape, target)) {
      tensors.set(name, { data: withChannels(floats(tensor, name, file), tensor.shape, wanted), shape: wanted });
      reshaped.push({ name, from: tensor.shape, to: wanted });
    } else if (isHead(name)) {
      otherShape.push(name);
      continue;
    } else {
      throw new WeightsError(
        `${file}: ${from} is ${tensor.shape.join("×") || "a number"}, the network's ${wanted.join("×")}`,
      );
    }
    matched.push(from);
  }
  if (tensors.size === 0) {
    const [first] = source.keys();
    throw new WeightsError(
      `${file}: none of its ${source.size} tensors fits the network by name and shape (its first is ${first}, the network's ${[...target.keys()][0]})`,
    );
  }
  const absent = [...target.keys()].filter((name) => !tensors.has(name) && !otherShape.includes(name));
  refuseUnreadable(source, absent, file);
  const [fresh, missing] = [absent.filter(isHead), absent.filter((name) => !isHead(name))];
  return { tensors, matched, reshaped, otherShape, fresh, missing, unexpected };
}

/** @throws WeightsError where the file has something by the name that the network lacks, but of a kind that is not read */
function refuseUnreadable(source: ReadonlyMap<string, WeightTensor>, absent: readonly string[], file: string): void {
  if (!(source instanceof CheckpointTensors)) return;
  for (const [from, what] of source.unreadable) {
    if (absent.some((name) => from === name || from.endsWith(`.${name}`)))
      throw new WeightsError(`${file}: ${from} is ${what}, which medvox does not read; save it as a plain tensor`);
  }
}

/** `102 matched · 0 missing · 0 unexpected`, and the names of the few that matter. */
export function describeMatch({ matched, reshaped, otherShape, fresh, missing, unexpected }: MatchedWeights): string {
  const some = (names: readonly string[]): string =>
    names.length === 0 ? "" : ` (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""})`;
  const parts = [
    `${matched.length} matched`,
    ...reshaped.map(({ name, from, to }) => `${name} reshaped from ${from[1]} to ${to[1]} input channels`),
    ...(otherShape.length > 0 ? [`${otherShape.length} of another shape, left as new${some(otherShape)}`] : []),
    ...(fresh.length > 0 ? [`${fresh.length} new${some(fresh)}`] : []),
    `${missing.length} missing${some(missing)}`,
    `${unexpected.length} unexpected${some(unexpected)}`,
  ];
  return parts.join(" · ");
}

interface Given {
  readonly tensor: WeightTensor;
  /** Its name in the file. */
  readonly from: string;
}

/**
 * The file's tensors without what wraps all of them, however often, as far as that helps: the usual wrappers first, then whatever
 * name stands in front.
 * @throws WeightsError where the network stands there under two other names, as a student and a teacher do
 */
function unwrapped(
  source: ReadonlyMap<string, WeightTensor>,
  target: ReadonlyMap<string, unknown>,
  file: string,
): Map<string, Given> {
  let best = new Map([...source].map(([name, tensor]): [string, Given] => [name, { tensor, from: name }]));
  const fits = (given: ReadonlyMap<string, Given>): number =>
    [...given.keys()].filter((name) => target.has(name)).length;
  for (let round = 0; round < 4; round++) {
    const known = wrappers.map((wrapper) => stripped(best, wrapper)).filter((given) => given !== undefined);
    const next = known.sort((a, b) => fits(b) - fits(a))[0];
    if (next !== undefined && (fits(next) > fits(best) || fits(best) === 0)) {
      best = next;
      continue;
    }
    if (fits(best) > 0) break;
    const fronts = [...new Set([...best.keys()].flatMap((name) => frontsBefore(name, target)))];
    const others = fronts
      .map((front) => ({ front, given: stripped(best, front) ?? best }))
      .map((other) => ({ ...other, count: fits(other.given) }))
      .sort((a, b) => b.count - a.count);
    if (others.length === 0 || others[0].count === 0) break;
    if (others.length > 1 && others[1].count === others[0].count)
      throw new WeightsError(
        `${file}: holds the network under ${others[0].front} and under ${others[1].front}; save one of them and import that`,
      );
    best = others[0].given;
  }
  return best;
}

/** What stands in front of one of the network's names in a name of the file. */
function frontsBefore(name: string, target: ReadonlyMap<string, unknown>): string[] {
  const fronts: string[] = [];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
    if (target.has(name.slice(dot + 1))) fronts.push(name.slice(0, dot + 1));
  return fronts;
}

/** Undefined where no name begins so. Others (optimizer state, a decoder) keep their names. */
function stripped(given: ReadonlyMap<string, Given>, wrapper: string): Map<string, Given> | undefined {
  if (![...given.keys()].some((name) => name.startsWith(wrapper))) return undefined;
  return new Map([...given].map(([name, own]) => [name.startsWith(wrapper) ? name.slice(wrapper.length) : name, own]));
}

/** What the names and shapes of a residual encoder say about it. */
export interface ArchitectureHint {
  readonly blocks: readonly number[];
  readonly block: "basic" | "bottleneck" | "pre-activated bottleneck";
  readonly shortcut: "A" | "B";
}

const knownDepths: Readonly<Record<string, string>> = {
  "basic 1,1,1,1": "resnet10",
  "basic 2,2,2,2": "resnet18",
  "basic 3,4,6,3": "resnet34",
  "bottleneck 3,4,6,3": "resnet50",
  "bottleneck 3,4,23,3": "resnet101",
  "bottleneck 3,8,36,3": "resnet152",
  "bottleneck 3,24,36,3": "resnet200",
  "pre-activated bottleneck 3,24,36,3": "preresnet200",
};

/** Undefined where there is no residual encoder of four stages; one that stands inside a detector counts, too. */
export function hintOf(shapes: ReadonlyMap<string, readonly number[]>): ArchitectureHint | undefined {
  const front = frontOf(shapes);
  const blocks = blocksOf(shapes, front);
  if (blocks.includes(0)) return undefined;
  const third = shapes.get(`${front}layer1.0.bn3.weight`)?.[0];
  const middle = shapes.get(`${front}layer1.0.conv2.weight`)?.[0];
  const block = third === undefined ? "basic" : third === middle ? "pre-activated bottleneck" : "bottleneck";
  return { blocks, block, shortcut: shapes.has(`${front}layer2.0.downsample.0.weight`) ? "B" : "A" };
}

/** What stands in front of `layer1` in the names of a residual encoder: nothing, or `backbone.body.`. */
function frontOf(shapes: ReadonlyMap<string, unknown>): string {
  for (const name of shapes.keys()) {
    const front = /^((?:.*?\.)?)layer1\.0\./.exec(name)?.[1];
    if (front !== undefined) return front;
  }
  return "";
}

/** Blocks of each of the four stages; 0 where a stage is not there, as the last one in a detector without a pyramid. */
function blocksOf(shapes: ReadonlyMap<string, unknown>, front: string): number[] {
  const blocks = [0, 0, 0, 0];
  for (const name of shapes.keys()) {
    if (!name.startsWith(front)) continue;
    const [, layer, number] = /^layer([1-4])\.(\d{1,3})\./.exec(name.slice(front.length)) ?? [];
    if (layer !== undefined) blocks[Number(layer) - 1] = Math.max(blocks[Number(layer) - 1], Number(number) + 1);
  }
  return blocks;
}

/** `resnet18 with shortcut A`. */
export function hintText({ blocks, block, shortcut }: ArchitectureHint): string {
  const known = knownDepths[`${block} ${blocks.join()}`];
  return `${known ?? `a residual network of ${blocks.join(", ")} ${block} blocks`} with shortcut ${shortcut}`;
}

/** Channels of a residual encoder's first convolution, which all others are multiples of. */
function widthOf(shapes: ReadonlyMap<string, readonly number[]>): number | undefined {
  return shapes.has("layer1.0.conv1.weight") ? shapes.get("conv1.weight")?.[0] : undefined;
}

/** Refuses the encoder of another network, deeper or shallower: a part of it would fit and the rest go unnoticed. */
function refuseOther(
  target: ReadonlyMap<string, readonly number[]>,
  given: ReadonlyMap<string, readonly number[]>,
  file: string,
): void {
  const [wanted, found] = [hintOf(target), hintOf(given)];
  const [wide, foundWide] = [widthOf(target), widthOf(given)];
  if (wide !== undefined && foundWide !== undefined && wide !== foundWide)
    throw new WeightsError(
      `${file}: holds an encoder of width ${foundWide}; the network's has width ${wide} (channels of the first stage), and weights fit their own width only`,
    );
  const [front, from] = [frontOf(target), frontOf(given)];
  const [stages, blocks] = [blocksOf(target, front), blocksOf(given, from)];
  const isOther =
    wanted !== undefined && found !== undefined
      ? hintText(wanted) !== hintText(found)
      : // Of a network that has not all stages, those that both have.
        front === from && stages.some((count, i) => count > 0 && blocks[i] > 0 && count !== blocks[i]);
  if (!isOther) return;
  const inEncoder = (name: string, start: string) =>
    name.startsWith(start) && /^layer\d/.test(name.slice(start.length));
  const isStrange = (name: string): boolean => inEncoder(name, from) && !target.has(name) && !COUNTER.test(name);
  const unexpected = front === from ? [...given.keys()].filter(isStrange) : [];
  const missing = [...target.keys()].filter((name) => inEncoder(name, front) && !given.has(name) && front === from);
  const told = [
    ...(unexpected.length > 0 ? [`${unexpected.length} unexpected tensors, the first ${unexpected[0]}`] : []),
    ...(missing.length > 0 ? [`${missing.length} missing tensors, the first ${missing[0]}`] : []),
  ];
  const text = (hint: ArchitectureHint | undefined, counts: readonly number[]): string =>
    hint === undefined ? `a residual network of ${counts.filter((n) => n > 0).join(", ")} blocks` : hintText(hint);
  throw new WeightsError(
    `${file}: holds ${text(found, blocks)}; the network is ${text(wanted, stages)}${told.length > 0 ? ` (${told.join("; ")})` : ""}`,
  );
}

/** Whether a convolution differs in its input channels alone, and stands first in the network. */
function isInput(
  name: string,
  wanted: readonly number[],
  given: readonly number[],
  target: ReadonlyMap<string, readonly number[]>,
): boolean {
  const [first] = target.keys();
  const rest = (shape: readonly number[]): string => shape.filter((_, axis) => axis !== 1).join();
  return name === first && wanted.length > 2 && rest(wanted) === rest(given) && (wanted[1] === 1 || given[1] === 1);
}

/**
 * One input channel becomes n, each a copy divided by n, so that n equal channels give what the one gave; n become one by their
 * sum.
 */
function withChannels(data: Float32Array, from: readonly number[], to: readonly number[]): Float32Array {
  const kernel = from.slice(2).reduce((product, n) => product * n, 1);
  const made = new Float32Array(to.reduce((product, n) => product * n, 1));
  for (let filter = 0; filter < to[0]; filter++) {
    for (let channel = 0; channel < Math.max(from[1], to[1]); channel++) {
      const [a, b] = [from[1] === 1 ? 0 : channel, to[1] === 1 ? 0 : channel];
      for (let i = 0; i < kernel; i++)
        made[(filter * to[1] + b) * kernel + i] +=
          data[(filter * from[1] + a) * kernel + i] / (from[1] === 1 ? to[1] : 1);
    }
  }
  return made;
}

function floats({ data }: WeightTensor, name: string, file: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  throw new WeightsError(`${file}: ${name} is not of a float type`);
}
