/**
 * The largest connected components of label maps, where a map of all of them (`labelComponents`) would be too large. Neighbours share a
 * face.
 *
 * Two passes over the slices with a union–find (Rosenfeld & Pfaltz 1966): the first gives every voxel the number of a
 * neighbour that came before it, or a new one, and notes which numbers meet; the second gives the same numbers again and
 * so needs no map of them. Memory is two slices of numbers and a few bytes for each number, not a map of the volume.
 */
import type { Vec3 } from "../types.ts";

/**
 * Keeps the `keep` largest components of every class and sets the rest to 0, in place. Of equally large ones, those that
 * begin first are kept.
 * @param classes class of every voxel, x fastest; 0 is background
 */
export function keepLargestComponents(classes: Uint8Array | Int16Array | Int32Array, size: Vec3, keep: number): void {
  const parts = new Parts();
  number(classes, size, parts, (at, part) => {
    parts.voxels[part]++;
    return classes[at];
  });
  const kept = parts.largest(keep);
  number(classes, size, undefined, (at, part) => (kept[part] === 1 ? classes[at] : 0), parts.value);
}

/**
 * Numbers the voxels, slice by slice, and sets each to what `visit` gives back.
 * @param parts grows and joins; left out in the second pass
 * @param value class of every number, for the second pass
 */
function number(
  classes: Uint8Array | Int16Array | Int32Array,
  [nx, ny, nz]: Vec3,
  parts: Parts | undefined,
  visit: (at: number, part: number) => number,
  value: Int32Array = new Int32Array(0),
): void {
  const plane = nx * ny;
  // Numbers of the slice before and of this one, 0 for background.
  let before = new Int32Array(plane);
  let here = new Int32Array(plane);
  let last = 0;
  const classOf = (part: number): number => (parts === undefined ? value[part] : parts.value[part]);
  for (let z = 0, at = 0; z < nz; z++) {
    for (let i = 0; i < plane; i++, at++) {
      const own = classes[at];
      if (own === 0) {
        here[i] = 0;
        continue;
      }
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

  /** For every number, whether its component is one of the `keep` largest of its class. */
  largest(keep: number): Uint8Array {
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
    for (const of of roots.values()) {
      of.sort((a, b) => this.voxels[b] - this.voxels[a] || a - b);
      for (const root of of.slice(0, keep)) kept[root] = 1;
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
