/** Connected components of label maps. */
import type { Vec3 } from "../types.ts";

type LabelMap = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** A set of connected voxels of one class. */
export interface Component {
  /** The class its voxels have. */
  readonly value: number;
  /** From 1, in the order of first voxels. */
  readonly id: number;
  readonly voxels: number;
  /** First and last voxel along x, y, z, both inside. */
  readonly low: Vec3;
  readonly high: Vec3;
}

/**
 * The components of every class but 0.
 * @param classes class of every voxel, x fastest
 * @param neighbours 6: voxels that share a face belong together; 26: also those that share an edge or a corner
 * @returns the component of every voxel (0: background), and what each is
 */
export function labelComponents(
  classes: LabelMap,
  size: Vec3,
  neighbours: 6 | 26 = 6,
): { readonly component: Int32Array; readonly components: readonly Component[] } {
  const [nx, ny, nz] = size;
  const slice = nx * ny;
  const component = new Int32Array(classes.length);
  const components: Component[] = [];
  const queue: number[] = [];
  for (let seed = 0; seed < classes.length; seed++) {
    const value = classes[seed];
    if (value === 0 || component[seed] !== 0) continue;
    const id = components.length + 1;
    let voxels = 0;
    const low: [number, number, number] = [nx, ny, nz];
    const high: [number, number, number] = [-1, -1, -1];
    const visit = (next: number): void => {
      if (classes[next] !== value || component[next] !== 0) return;
      component[next] = id;
      queue.push(next);
    };
    visit(seed);
    while (queue.length > 0) {
      const at = queue.pop()!;
      voxels++;
      const x = at % nx;
      const y = Math.floor(at / nx) % ny;
      const z = Math.floor(at / slice);
      low[0] = Math.min(low[0], x);
      low[1] = Math.min(low[1], y);
      low[2] = Math.min(low[2], z);
      high[0] = Math.max(high[0], x);
      high[1] = Math.max(high[1], y);
      high[2] = Math.max(high[2], z);
      if (neighbours === 6) {
        if (x > 0) visit(at - 1);
        if (x < nx - 1) visit(at + 1);
        if (y > 0) visit(at - nx);
        if (y < ny - 1) visit(at + nx);
        if (z > 0) visit(at - slice);
        if (z < nz - 1) visit(at + slice);
        continue;
      }
      for (let w = Math.max(0, z - 1); w <= Math.min(nz - 1, z + 1); w++) {
        for (let v = Math.max(0, y - 1); v <= Math.min(ny - 1, y + 1); v++) {
          for (let u = Math.max(0, x - 1); u <= Math.min(nx - 1, x + 1); u++) visit(u + nx * (v + ny * w));
        }
      }
    }
    components.push({ value, id, voxels, low, high });
  }
  return { component, components };
}
