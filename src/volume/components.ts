/** Connected components of label maps. Neighbours share a face. */
import type { Vec3 } from "./types.ts";

/**
 * Keeps the `keep` largest components of every class and sets the rest to 0, in place.
 * @param classes class of every voxel, x fastest; 0 is background
 */
export function keepLargestComponents(classes: Uint8Array | Int16Array | Int32Array, size: Vec3, keep: number): void {
  const [nx, ny] = size;
  const slice = nx * ny;
  const component = new Int32Array(classes.length);
  const counts: { readonly value: number; readonly id: number; voxels: number }[] = [];
  const queue: number[] = [];
  for (let seed = 0; seed < classes.length; seed++) {
    const value = classes[seed];
    if (value === 0 || component[seed] !== 0) continue;
    const own = { value, id: counts.length + 1, voxels: 0 };
    counts.push(own);
    component[seed] = own.id;
    queue.push(seed);
    const visit = (next: number): void => {
      if (classes[next] !== value || component[next] !== 0) return;
      component[next] = own.id;
      queue.push(next);
    };
    while (queue.length > 0) {
      const at = queue.pop()!;
      own.voxels++;
      const x = at % nx;
      const y = Math.floor(at / nx) % ny;
      if (x > 0) visit(at - 1);
      if (x < nx - 1) visit(at + 1);
      if (y > 0) visit(at - nx);
      if (y < ny - 1) visit(at + nx);
      if (at >= slice) visit(at - slice);
      if (at + slice < classes.length) visit(at + slice);
    }
  }
  const kept = new Uint8Array(counts.length + 1);
  for (const value of new Set(counts.map((own) => own.value))) {
    const largest = counts.filter((own) => own.value === value).sort((a, b) => b.voxels - a.voxels || a.id - b.id);
    for (const { id } of largest.slice(0, keep)) kept[id] = 1;
  }
  for (let i = 0; i < classes.length; i++) if (kept[component[i]] === 0) classes[i] = 0;
}
