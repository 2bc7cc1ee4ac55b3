/**
 * A loaded network run on windows, directly or as the mean of its mirror images (test-time mirroring, as nnU-Net does).
 *
 * Of n axes all 2ⁿ mirror images are predicted, turned back and averaged. They are added in pairs, axis by axis, so that an image
 * mirrored along one of the axes has the mirrored prediction, bit for bit: mirroring only exchanges the two sides of each sum. That
 * is so for a window, and for a volume where windows lie alike from both ends (`windowStarts` rounds).
 *
 * Shape shorthand: C image channels · K classes · D H W patch.
 */
import type { Axis } from "../../../augment/index.ts";
import type { Program } from "../../../runtime/index.ts";

/** `true` for all axes, or those that are named, in the plan's orientation: x leads from left to right, y to the front, z to the head. */
export type Mirror = boolean | readonly Axis[];

const allAxes: readonly Axis[] = ["x", "y", "z"];

/** The axes that are mirrored, each once. */
export function mirrorAxes(mirror: Mirror = false): readonly Axis[] {
  if (typeof mirror === "boolean") return mirror ? allAxes : [];
  return allAxes.filter((axis) => mirror.includes(axis));
}

/**
 * What to say where more axes are mirrored than training mirrored along: such mirror images are unlike what the network knows.
 * Undefined where all is well, or nobody knows.
 */
export function mirrorNote(mirror: Mirror | undefined, trained: readonly Axis[] | undefined): string | undefined {
  const unseen = trained === undefined ? [] : mirrorAxes(mirror).filter((axis) => !trained.includes(axis));
  if (unseen.length === 0) return undefined;
  const known = trained!.length === 0 ? "" : `, or mirror along ${trained!.join(",")} alone (--mirror-axes)`;
  return `mirroring along ${unseen.join(", ")}: training did not, so these views are unlike what the network knows; train with --mirror${known}`;
}

/** Exchanges the ends of one axis in place, in as many blocks [D, H, W] as there are. */
export function mirrorBlocks(data: Float32Array, [depth, height, width]: readonly number[], axis: Axis): void {
  if (axis === "x") {
    for (let row = 0; row < data.length; row += width) data.subarray(row, row + width).reverse();
    return;
  }
  const [count, length] = axis === "y" ? [height, width] : [depth, height * width];
  const between = new Float32Array(length);
  for (let block = 0; block < data.length; block += count * length) {
    for (let i = 0, j = count - 1; i < j; i++, j--) {
      const low = data.subarray(block + i * length, block + (i + 1) * length);
      const high = data.subarray(block + j * length, block + (j + 1) * length);
      between.set(low);
      low.set(high);
      high.set(between);
    }
  }
}

export interface WindowRunner {
  /** What the engine computed so far, in milliseconds. */
  ms(): number;
  /**
   * Probabilities [K, D, H, W] of a window [C, D, H, W], which is left as it was. Both may be overwritten two calls later; one call
   * ends before the next begins.
   */
  predict(window: Float32Array): Promise<Float32Array>;
}

/**
 * Runs windows into arrays that are used again: one is read while the next is computed, so none is made per window.
 * @param shape [1, C, D, H, W] of the program's input
 */
export function windowRunner(
  program: Program,
  shape: readonly number[],
  classes: number,
  mirror: Mirror = false,
): WindowRunner {
  const patch = shape.slice(2);
  const axes = mirrorAxes(mirror);
  const outShape = [1, classes, ...patch];
  const count = outShape.reduce((a, b) => a * b);
  const given: Float32Array[] = [];
  let total = 0;
  const ask = async (window: Float32Array, place: Float32Array): Promise<Float32Array> => {
    const { outputs, ms } = await program.run(
      { input: { data: window, shape } },
      { into: { probability: { data: place, shape: outShape } } },
    );
    total += ms;
    return outputs.probability.data as Float32Array;
  };
  // What was given two calls ago has been read.
  const place = (): Float32Array => (given.length < 2 ? new Float32Array(count) : given.shift()!);
  /** One for each axis: the sums of its mirrored side. */
  const spare: Float32Array[] = axes.map(() => new Float32Array(count));
  const turned = new Float32Array(axes.length === 0 ? 0 : shape.reduce((a, b) => a * b));
  /** The sum over the mirror images along `axes` from `depth` on; the last addition makes a mean of it. */
  const sumOf = async (depth: number, into: Float32Array): Promise<Float32Array> => {
    if (depth === axes.length) return ask(turned, into);
    const sum = await sumOf(depth + 1, into);
    mirrorBlocks(turned, patch, axes[depth]);
    const other = await sumOf(depth + 1, spare[depth]);
    mirrorBlocks(turned, patch, axes[depth]);
    mirrorBlocks(other, patch, axes[depth]);
    spare[depth] = other;
    // A power of two, so that it rounds nothing.
    const share = depth === 0 ? 2 ** -axes.length : 1;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] + other[i]) * share;
    return sum;
  };
  return {
    ms: () => total,
    predict: async (window) => {
      let out: Float32Array;
      if (axes.length === 0) {
        out = await ask(window, place());
      } else {
        turned.set(window);
        out = await sumOf(0, place());
      }
      given.push(out);
      return out;
    },
  };
}

/** The mean of several networks that see the same windows: the folds of a cross-validation. */
export function ensembleRunner(
  programs: readonly Program[],
  shape: readonly number[],
  classes: number,
  mirror?: Mirror,
): WindowRunner {
  const [first, ...others] = programs.map((program) => windowRunner(program, shape, classes, mirror));
  return {
    ms: () => [first, ...others].reduce((sum, runner) => sum + runner.ms(), 0),
    predict: async (window) => {
      const sum = await first.predict(window);
      for (const runner of others) {
        const more = await runner.predict(window);
        for (let i = 0; i < sum.length; i++) sum[i] += more[i];
      }
      if (others.length > 0) for (let i = 0; i < sum.length; i++) sum[i] /= programs.length;
      return sum;
    },
  };
}
