/**
 * The largest connected components of label maps, where a map of all of them (`labelComponents`) would be too large. Neighbours share a
 * face.
 *
 * Two passes over the slices with a union–find (Rosenfeld & Pfaltz 1966): the first gives every voxel the number of a
 * neighbour that came before it, or a new one, and notes which numbers meet; the second gives the same numbers again and
 * so needs no map of them. Memory is two slices of numbers and a few bytes for each number, not a map of the volume.
 */
import type { Vec3 } from "../types.ts";

/** How components are told apart. */
export interface ComponentOptions {
  /**
   * Every voxel above 0 counts as one class: neighbours are connected whatever their classes, and the components of all classes together
   * are compared. So a lesion within an organ belongs to it. Off by default.
   */
  readonly together?: boolean;
}

/**
 * Keeps the `keep` largest components of every class and sets the rest to 0, in place. Of equally large ones, those that
 * begin first are kept.
 * @param classes class of every voxel, x fastest; 0 is background
 * @param keep of every class alike, or by class; of a class without a number all components are kept
 */
export function keepLargestComponents(
  classes: Uint8Array | Int16Array | Int32Array,
  size: Vec3,
  keep: number | ReadonlyMap<number, number>,
  { together = false }: ComponentOptions = {},
): void {
  const parts = new Parts();
  const groupOf = together ? () => 1 : (value: number) => value;
  const count = (at: number, part: number): number => {
    parts.voxels[part]++;
    return classes[at];
  };
  number(classes, size, { parts, groupOf, visit: count });
  const kept = parts.largest(typeof keep === "number" ? () => keep : (value) => keep.get(value) ?? Infinity);
  const clear = (at: number, part: number): number => (kept[part] === 1 ? classes[at] : 0);
  number(classes, size, { groupOf, visit: clear, value: parts.value });
}

/** One way through the voxels. */
interface Pass {
  /** Grows and joins; left out in the second pass. */
  readonly parts?: Parts;
  /** Voxels of one group that touch are connected. @param value above 0 */
  readonly groupOf: (value: number) => number;
  /** Gives what a voxel is set to. */
  readonly visit: (at: number, part: number) => number;
  /** Group of every number, for the second pass. */
  readonly value?: Int32Array;
}

/** Numbers the voxels, slice by slice, and sets each to what `visit` gives back. */
function number(
  classes: Uint8Array | Int16Array | Int32Array,
  [nx, ny, nz]: Vec3,
  { parts, groupOf, visit, value = new Int32Array(0) }: Pass,
): void {
  const plane = nx * ny;
  // Numbers of the slice before and of this one, 0 for background.
  let before = new Int32Array(plane);
  let here = new Int32Array(plane);
  let last = 0;
  const classOf = (part: number): number => (parts === undefined ? value[part] : parts.value[part]);
  for (let z = 0, at = 0; z < nz; z++) {
    for (let i = 0; i < plane; i++, at++) {
      if (classes[at] === 0) {
        here[i] = 0;
        continue;
      }
      const own = groupOf(classes[at]);
      const left = i % nx > 0 ? here[i - 1] : 0;
      const above = i >= nx ? here[i - nx] : 0;
      const below = before[i];
      const joinsLeft = left !== 0 && classOf(left) === own;
      const joinsAbove = above !== 0 && classOf(above) === own;
      const joinsBelow = below !== 0 && classOf(below) === own;
      const part = joinsLeft ? left : joinsAbove ? above : joinsBelow ? below : ++last;
      if (parts !== undefined) {
        if (!joinsLeft && !joinsAbove && !joinsBelow) parts.add(own);
        if (joinsLeft && joinsAbove && above !== left) parts.join(left, above);
        if (joinsBelow && below !== part) parts.join(part, below);
      }
      here[i] = part;
      classes[at] = visit(at, part);
    }
    [before, here] = [here, before];
  }
}

/** Numbers from 1, each a part of a component; a component's root is its lowest number, where it begins. */
class Parts {
  #parent = new Int32Array(1024);
  value = new Int32Array(1024);
  voxels = new Float64Array(1024);
  #count = 1;

  add(value: number): void {
    const part = this.#count++;
    if (part === this.value.length) {
      this.#parent = grown(this.#parent);
      this.value = grown(this.value);
      this.voxels = grown(this.voxels);
    }
    this.#parent[part] = part;
    this.value[part] = value;
  }

  join(a: number, b: number): void {
    const [first, second] = [this.#root(a), this.#root(b)];
    this.#parent[Math.max(first, second)] = Math.min(first, second);
  }

  /** For every number, whether its component is one of the largest of its class. @param keep how many, by class */
  largest(keep: (value: number) => number): Uint8Array {
    const roots = new Map<number, number[]>();
    for (let part = 1; part < this.#count; part++) {
      const root = this.#root(part);
      if (root !== part) {
        this.voxels[root] += this.voxels[part];
        continue;
      }
      const of = roots.get(this.value[part]);
      if (of === undefined) roots.set(this.value[part], [part]);
      else of.push(part);
    }
    const kept = new Uint8Array(this.#count);
    for (const [value, of] of roots) {
      of.sort((a, b) => this.voxels[b] - this.voxels[a] || a - b);
      for (const root of of.slice(0, keep(value))) kept[root] = 1;
    }
    for (let part = 1; part < this.#count; part++) kept[part] = kept[this.#root(part)];
    return kept;
  }

  #root(part: number): number {
    const parent = this.#parent;
    let root = part;
    while (parent[root] !== root) root = parent[root];
    while (parent[part] !== root) {
      const next = parent[part];
      parent[part] = root;
      part = next;
    }
    return root;
  }
}

function grown<T extends Int32Array | Float64Array>(array: T): T {
  const out = new (array.constructor as new (length: number) => T)(2 * array.length);
  out.set(array);
  return out;
}
