/**
 * The inner loops of resampling. A sampler fills one target slice at a time; for grids whose axes are parallel it is
 * separable (blend two planes, then two rows, then pairs along x), so a 128³ volume takes milliseconds.
 *
 * Sources are views: axes in another order or direction are read where they lie, and integers become floats one plane at
 * a time, so sampling needs memory for two planes of the source and nothing of a volume's size.
 */
import type { LatticeMap } from "../lattice.ts";
import type { VolumeView } from "../orient.ts";
import type { Affine, Vec3, VoxelArray } from "../types.ts";

type Numbers = Exclude<VoxelArray, BigInt64Array | BigUint64Array>;
type Outside = number | "edge";

/** Writes slice `z` of channel `channel` into `out` from index `at` on. */
export type SliceSampler = (channel: number, z: number, out: VoxelArray, at: number) => void;

/** Along one axis, for every target voxel: the two source voxels around it and the weight of the second. */
interface AxisTaps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly weight: Float64Array;
  /** Target voxels [from, to) lie in the field of view; it is one run because positions are monotonic. */
  readonly from: number;
  readonly to: number;
}

/** Half a voxel beyond the outer centres, and a hair for rounding. */
const reach = 0.5 + 1e-6;

function axisTaps(positions: Float64Array, size: number, outside: Outside): AxisTaps {
  const count = positions.length;
  const low = new Int32Array(count);
  const high = new Int32Array(count);
  const weight = new Float64Array(count);
  let from = count;
  let to = 0;
  for (let k = 0; k < count; k++) {
    const position = positions[k];
    if (outside === "edge" || (position >= -reach && position <= size - 1 + reach)) {
      from = Math.min(from, k);
      to = k + 1;
    }
    const clamped = Math.min(Math.max(position, 0), size - 1);
    low[k] = Math.floor(clamped);
    weight[k] = clamped - low[k];
    // With weight 0 the neighbour is not looked at, so its NaN cannot leak in.
    high[k] = weight[k] > 0 ? low[k] + 1 : low[k];
  }
  return { low, high, weight, from: Math.min(from, to), to };
}

function tapsOf(map: LatticeMap & { kind: "axes" }, size: Vec3, outside: Outside): [AxisTaps, AxisTaps, AxisTaps] {
  return [0, 1, 2].map((axis) => axisTaps(map.positions[axis], size[axis], outside)) as [AxisTaps, AxisTaps, AxisTaps];
}

function fillOf(outside: Outside): number {
  return outside === "edge" ? 0 : outside;
}

/** The planes of a view as 32-bit floats, x fastest. A plane stays valid until two others were asked for. */
function planesOf({ data, size, perChannel, origin, step }: VolumeView): (channel: number, z: number) => Float32Array {
  const [nx, ny] = size;
  if (data instanceof Float32Array && step[0] === 1 && step[1] === nx) {
    return (channel, z) => {
      const at = origin + channel * perChannel + z * step[2];
      return data.subarray(at, at + nx * ny);
    };
  }
  const kept = [0, 1].map(() => ({ start: -1, plane: new Float32Array(nx * ny) }));
  // The axis that lies closer in memory runs inside.
  const turned = Math.abs(step[1]) < Math.abs(step[0]);
  const [inner, outer] = turned ? [1, 0] : [0, 1];
  const toStep = [1, nx];
  return (channel, z) => {
    const start = origin + channel * perChannel + z * step[2];
    if (kept[0].start !== start) {
      kept.reverse();
      if (kept[0].start !== start) {
        const { plane } = kept[0];
        kept[0].start = start;
        for (let j = 0; j < size[outer]; j++) {
          const from = start + j * step[outer];
          fillRun(plane, j * toStep[outer], toStep[inner], data, from, step[inner], size[inner]);
        }
      }
    }
    return kept[0].plane;
  };
}

function fillRun(
  out: Float32Array,
  to: number,
  toStep: number,
  data: VoxelArray,
  from: number,
  fromStep: number,
  count: number,
): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < count; i++) out[to + i * toStep] = Number(data[from + i * fromStep]);
  } else {
    for (let i = 0; i < count; i++) out[to + i * toStep] = data[from + i * fromStep];
  }
}

export function linearSampler(source: VolumeView, targetSize: Vec3, map: LatticeMap, outside: Outside): SliceSampler {
  if (map.kind === "oblique") return obliqueLinear(source, targetSize, map.matrix, outside);
  const [nx, ny] = source.size;
  const [tx, ty] = targetSize;
  const [x, y, z] = tapsOf(map, source.size, outside);
  const fill = fillOf(outside);
  // Only the part of a plane that some target voxel looks at is blended.
  const [x0, x1] = range(x);
  const [y0, y1] = range(y);
  const planes = planesOf(source);
  const plane = new Float64Array(nx * ny);
  const row = new Float64Array(nx);
  return (channel, k, outAny, at) => {
    const out = outAny as Float32Array;
    const end = at + tx * ty;
    if (k < z.from || k >= z.to) {
      out.fill(fill, at, end);
      return;
    }
    const lower = planes(channel, z.low[k]);
    const wz = z.weight[k];
    const upper = wz === 0 ? lower : planes(channel, z.high[k]);
    for (let j = y0; j <= y1; j++) {
      const start = j * nx;
      if (wz === 0) for (let i = start + x0; i <= start + x1; i++) plane[i] = lower[i];
      else for (let i = start + x0; i <= start + x1; i++) plane[i] = lower[i] * (1 - wz) + upper[i] * wz;
    }
    for (let j = 0, o = at; j < ty; j++, o += tx) {
      if (j < y.from || j >= y.to) {
        out.fill(fill, o, o + tx);
        continue;
      }
      const top = y.low[j] * nx;
      const bottom = y.high[j] * nx;
      const wy = y.weight[j];
      if (wy === 0) for (let i = x0; i <= x1; i++) row[i] = plane[top + i];
      else for (let i = x0; i <= x1; i++) row[i] = plane[top + i] * (1 - wy) + plane[bottom + i] * wy;
      for (let i = 0; i < x.from; i++) out[o + i] = fill;
      for (let i = x.from; i < x.to; i++) {
        const wx = x.weight[i];
        out[o + i] = wx === 0 ? row[x.low[i]] : row[x.low[i]] * (1 - wx) + row[x.high[i]] * wx;
      }
      for (let i = x.to; i < tx; i++) out[o + i] = fill;
    }
  };
}

export function nearestSampler(source: VolumeView, targetSize: Vec3, map: LatticeMap, outside: Outside): SliceSampler {
  const data = source.data as Numbers;
  const [sx, sy, sz] = source.step;
  const [tx, ty] = targetSize;
  const fill = fillOf(outside);
  const baseOf = (channel: number): number => source.origin + channel * source.perChannel;
  if (map.kind === "oblique") {
    const walk = obliqueWalk(source.size, targetSize, map.matrix, outside);
    return (channel, k, outAny, at) => {
      const out = outAny as Numbers;
      const base = baseOf(channel);
      out.fill(fill, at, at + tx * ty);
      walk(k, (i, px, py, pz) => {
        out[at + i] = data[base + Math.floor(px + 0.5) * sx + Math.floor(py + 0.5) * sy + Math.floor(pz + 0.5) * sz];
      });
    };
  }
  const [x, y, z] = tapsOf(map, source.size, outside);
  const pick = (taps: AxisTaps) => taps.low.map((low, k) => (taps.weight[k] >= 0.5 ? taps.high[k] : low));
  const [ix, iy, iz] = [pick(x), pick(y), pick(z)];
  return (channel, k, outAny, at) => {
    const out = outAny as Numbers;
    out.fill(fill, at, at + tx * ty);
    if (k < z.from || k >= z.to) return;
    for (let j = y.from; j < y.to; j++) {
      const start = baseOf(channel) + iz[k] * sz + iy[j] * sy;
      const o = at + j * tx;
      for (let i = x.from; i < x.to; i++) out[o + i] = data[start + ix[i] * sx];
    }
  };
}

export function labelSampler(source: VolumeView, targetSize: Vec3, map: LatticeMap, outside: Outside): SliceSampler {
  const data = source.data as Numbers;
  const [sx, sy, sz] = source.step;
  const [tx, ty] = targetSize;
  const fill = fillOf(outside);
  const vote = labelVote();
  const baseOf = (channel: number): number => source.origin + channel * source.perChannel;
  if (map.kind === "oblique") {
    const walk = obliqueWalk(source.size, targetSize, map.matrix, outside);
    return (channel, k, outAny, at) => {
      const out = outAny as Numbers;
      const base = baseOf(channel);
      out.fill(fill, at, at + tx * ty);
      walk(k, (i, px, py, pz) => {
        const [lx, ly, lz] = [Math.floor(px), Math.floor(py), Math.floor(pz)];
        const [wx, wy, wz] = [px - lx, py - ly, pz - lz];
        const stepX = wx > 0 ? sx : 0;
        const stepY = wy > 0 ? sy : 0;
        const stepZ = wz > 0 ? sz : 0;
        out[at + i] = vote(data, base + lx * sx + ly * sy + lz * sz, stepX, stepY, stepZ, wx, wy, wz);
      });
    };
  }
  const taps = tapsOf(map, source.size, outside);
  // Voxels that coincide are copied, not voted on.
  if (taps.every(({ weight }) => weight.every((w) => w === 0))) return nearestSampler(source, targetSize, map, outside);
  const [x, y, z] = taps;
  return (channel, k, outAny, at) => {
    const out = outAny as Numbers;
    out.fill(fill, at, at + tx * ty);
    if (k < z.from || k >= z.to) return;
    const stepZ = (z.high[k] - z.low[k]) * sz;
    for (let j = y.from; j < y.to; j++) {
      const start = baseOf(channel) + z.low[k] * sz + y.low[j] * sy;
      const stepY = (y.high[j] - y.low[j]) * sy;
      const o = at + j * tx;
      for (let i = x.from; i < x.to; i++) {
        const stepX = (x.high[i] - x.low[i]) * sx;
        out[o + i] = vote(data, start + x.low[i] * sx, stepX, stepY, stepZ, x.weight[i], y.weight[j], z.weight[k]);
      }
    }
  };
}

/** The label of highest summed weight among the eight voxels around a point, the lowest of them in a tie. */
function labelVote() {
  const labels = new Float64Array(8);
  const weights = new Float64Array(8);
  return (
    data: Numbers,
    at: number,
    stepX: number,
    stepY: number,
    stepZ: number,
    wx: number,
    wy: number,
    wz: number,
  ): number => {
    const first = data[at];
    // Most voxels lie inside one label.
    if (
      data[at + stepX] === first &&
      data[at + stepY] === first &&
      data[at + stepX + stepY] === first &&
      data[at + stepZ] === first &&
      data[at + stepX + stepZ] === first &&
      data[at + stepY + stepZ] === first &&
      data[at + stepX + stepY + stepZ] === first
    ) {
      return first;
    }
    let known = 0;
    for (let corner = 0; corner < 8; corner++) {
      const weight = (corner & 1 ? wx : 1 - wx) * (corner & 2 ? wy : 1 - wy) * (corner & 4 ? wz : 1 - wz);
      if (weight === 0) continue;
      const label = data[at + (corner & 1 ? stepX : 0) + (corner & 2 ? stepY : 0) + (corner & 4 ? stepZ : 0)];
      let slot = 0;
      while (slot < known && labels[slot] !== label) slot++;
      if (slot === known) {
        labels[known] = label;
        weights[known++] = 0;
      }
      weights[slot] += weight;
    }
    let best = 0;
    for (let slot = 1; slot < known; slot++) {
      // Weights that differ by rounding alone are a tie.
      const lead = weights[slot] - weights[best];
      if (lead > 1e-12 || (lead > -1e-12 && labels[slot] < labels[best])) best = slot;
    }
    return labels[best];
  };
}

/** The voxel range [first, last] of a source axis that the target voxels inside the field of view look at. */
function range(taps: AxisTaps): [number, number] {
  let first = Number.POSITIVE_INFINITY;
  let last = -1;
  for (let k = taps.from; k < taps.to; k++) {
    first = Math.min(first, taps.low[k]);
    last = Math.max(last, taps.high[k]);
  }
  return last < 0 ? [0, -1] : [first, last];
}

/** Calls back with every target voxel of a slice that is in the field of view, and its clamped source position. */
function obliqueWalk(size: Vec3, targetSize: Vec3, m: Affine, outside: Outside) {
  const [lastX, lastY, lastZ] = [size[0] - 1, size[1] - 1, size[2] - 1];
  const margin = outside === "edge" ? Number.POSITIVE_INFINITY : reach;
  return (k: number, visit: (i: number, px: number, py: number, pz: number) => void): void => {
    for (let j = 0; j < targetSize[1]; j++) {
      const ax = m[1] * j + m[2] * k + m[3];
      const ay = m[5] * j + m[6] * k + m[7];
      const az = m[9] * j + m[10] * k + m[11];
      for (let i = 0; i < targetSize[0]; i++) {
        const px = ax + m[0] * i;
        const py = ay + m[4] * i;
        const pz = az + m[8] * i;
        if (px < -margin || py < -margin || pz < -margin) continue;
        if (px > lastX + margin || py > lastY + margin || pz > lastZ + margin) continue;
        visit(
          i + targetSize[0] * j,
          Math.min(Math.max(px, 0), lastX),
          Math.min(Math.max(py, 0), lastY),
          Math.min(Math.max(pz, 0), lastZ),
        );
      }
    }
  };
}

/** @param source of 32-bit floats */
function obliqueLinear(source: VolumeView, targetSize: Vec3, matrix: Affine, outside: Outside): SliceSampler {
  const data = source.data as Float32Array;
  const [stepX, stepY, stepZ] = source.step;
  const walk = obliqueWalk(source.size, targetSize, matrix, outside);
  const perSlice = targetSize[0] * targetSize[1];
  return (channel, k, outAny, at) => {
    const out = outAny as Float32Array;
    out.fill(fillOf(outside), at, at + perSlice);
    const base = source.origin + channel * source.perChannel;
    walk(k, (i, px, py, pz) => {
      const lx = px | 0;
      const ly = py | 0;
      const lz = pz | 0;
      const wx = px - lx;
      const wy = py - ly;
      const wz = pz - lz;
      const p = base + lx * stepX + ly * stepY + lz * stepZ;
      const sx = wx > 0 ? stepX : 0;
      const sy = wy > 0 ? stepY : 0;
      const sz = wz > 0 ? stepZ : 0;
      const a = data[p] * (1 - wx) + data[p + sx] * wx;
      const b = data[p + sy] * (1 - wx) + data[p + sy + sx] * wx;
      const c = data[p + sz] * (1 - wx) + data[p + sz + sx] * wx;
      const d = data[p + sz + sy] * (1 - wx) + data[p + sz + sy + sx] * wx;
      out[at + i] = (a * (1 - wy) + b * wy) * (1 - wz) + (c * (1 - wy) + d * wy) * wz;
    });
  };
}
