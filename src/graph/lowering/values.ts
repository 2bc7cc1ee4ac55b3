/**
 * One value of the old graph in the new one, in whichever representation it was computed, and converted when asked for
 * another:
 * - plain: as the operator table defines it, `[N, C, …]`;
 * - rows: `[N·…, C]`, channels last;
 * - pieces: a convolution's weights (or anything of their shape: gradients, optimizer state) tap-major, `[n, Ci, Co]` per
 *   group of taps.
 */
import { type Shape, sizeOf, type Tensor, type TensorType } from "../core.ts";
import { concat, gather, reshape, transpose } from "../functional/movement.ts";
import { inverse } from "../operators/movement.ts";

/** How a convolution's weights are stored: the taps of each piece. Absent means PyTorch's `[Co, Ci, k…]`. */
export interface WeightLayout {
  readonly groups: readonly (readonly number[])[];
}

export function sameLayout(a: WeightLayout, b: WeightLayout): boolean {
  return a === b || JSON.stringify(a.groups) === JSON.stringify(b.groups);
}

export class Value {
  readonly type: TensorType;
  #plain?: Tensor;
  #rows?: Tensor;
  #pieces?: { readonly layout: WeightLayout; readonly tensors: readonly Tensor[] };
  /** The representation it was computed in. */
  readonly native: "plain" | "rows" | "pieces";

  private constructor(type: TensorType, native: Value["native"]) {
    this.type = type;
    this.native = native;
  }

  static plain(tensor: Tensor): Value {
    const value = new Value(tensor, "plain");
    value.#plain = tensor;
    return value;
  }

  /** @param type the value's own, `[N, C, …]` */
  static rows(rows: Tensor, type: TensorType): Value {
    const value = new Value(type, "rows");
    value.#rows = rows;
    return value;
  }

  static pieces(tensors: readonly Tensor[], layout: WeightLayout, type: TensorType): Value {
    const value = new Value(type, "pieces");
    value.#pieces = { layout, tensors };
    return value;
  }

  get layout(): WeightLayout | undefined {
    return this.#pieces?.layout;
  }

  /** Whether the value was computed as rows, or has been converted to rows for another reader. */
  get hasRows(): boolean {
    return this.#rows !== undefined;
  }

  plain(): Tensor {
    this.#plain ??= this.#rows !== undefined ? rowsToPlain(this.#rows, this.type.shape) : this.#piecesToPlain();
    return this.#plain;
  }

  rows(): Tensor {
    this.#rows ??= plainToRows(this.plain());
    return this.#rows;
  }

  pieces(layout: WeightLayout): readonly Tensor[] {
    if (this.#pieces !== undefined && sameLayout(this.#pieces.layout, layout)) return this.#pieces.tensors;
    const taps =
      this.#pieces === undefined ? plainToTaps(this.plain()) : joinTaps(this.#pieces.tensors, this.#pieces.layout);
    if (layout.groups.length === 1 && layout.groups[0].every((tap, i) => tap === i)) return [taps];
    return layout.groups.map((group) => gather(taps, group, 0));
  }

  #piecesToPlain(): Tensor {
    const { tensors, layout } = this.#pieces!;
    const taps = joinTaps(tensors, layout);
    return reshape(transpose(taps, [2, 1, 0]), this.type.shape);
  }
}

/** All taps in their natural order: [K, Ci, Co]. */
function joinTaps(tensors: readonly Tensor[], layout: WeightLayout): Tensor {
  const order = layout.groups.flat();
  const joined = concat(tensors, 0);
  return order.every((tap, i) => tap === i) ? joined : gather(joined, inverse(order), 0);
}

/** [Co, Ci, k…] → [K, Ci, Co]. */
function plainToTaps(w: Tensor): Tensor {
  const [co, ci] = w.shape;
  return transpose(reshape(w, [co, ci, w.size / (co * ci)]), [2, 1, 0]);
}

function plainToRows(x: Tensor): Tensor {
  const { rank } = x;
  const last = transpose(x, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
  return reshape(last, [x.size / x.shape[1], x.shape[1]]);
}

function rowsToPlain(rows: Tensor, shape: Shape): Tensor {
  const [n, c, ...spatial] = shape;
  const rank = shape.length;
  return transpose(reshape(rows, [n, ...spatial, c]), [0, rank - 1, ...spatial.map((_, i) => i + 1)]);
}

/** PyTorch's `[Co, Ci, k…]` as pieces, outside any graph. */
export function splitWeights(data: Float32Array, shape: Shape, layout: WeightLayout): Float32Array[] {
  const [co, ci] = shape;
  const taps = sizeOf(shape.slice(2));
  return layout.groups.map((group) => {
    const piece = new Float32Array(group.length * ci * co);
    let write = 0;
    for (const tap of group) {
      for (let i = 0; i < ci; i++) for (let o = 0; o < co; o++) piece[write++] = data[(o * ci + i) * taps + tap];
    }
    return piece;
  });
}

/** The way back from {@link splitWeights}. */
export function joinWeights(pieces: readonly Float32Array[], shape: Shape, layout: WeightLayout): Float32Array {
  const [co, ci] = shape;
  const taps = sizeOf(shape.slice(2));
  const data = new Float32Array(sizeOf(shape));
  for (const [g, group] of layout.groups.entries()) {
    let read = 0;
    for (const tap of group) {
      for (let i = 0; i < ci; i++) for (let o = 0; o < co; o++) data[(o * ci + i) * taps + tap] = pieces[g][read++];
    }
  }
  return data;
}

/** Shapes of the pieces. */
export function pieceShapes(shape: Shape, layout: WeightLayout): number[][] {
  return layout.groups.map((group) => [group.length, shape[1], shape[0]]);
}

/** The names under which an entry's pieces enter and leave a graph. */
export function pieceNames(name: string, layout: WeightLayout): string[] {
  return layout.groups.map((_, i) => `${name}#${i}`);
}
