/**
 * Images that are made one slice at a time when somebody asks: what a network sees of a large scan need never exist whole.
 */
import { gridDifference } from "../affine.ts";
import { axisOrderTo, orderView, viewOf } from "../orient.ts";
import type { Grid, Vec3, Volume } from "../types.ts";
import type { Pass } from "../values/percentiles.ts";
import { checkVolume } from "../voxels.ts";
import { gridWithSpacing, resampler } from "./resample.ts";

export interface SlicedVolume extends Grid {
  readonly channels: number;
  readonly name?: string;
  /** Writes slice z of a channel, y × x, into `out` from index `at` on. Slices may be asked for in any order, again and again. */
  slice(channel: number, z: number, out: Float32Array, at: number): void;
}

/**
 * A volume along other axes (`"RAS"`) and, unless `null`, at another spacing, interpolated linearly. The volume is read where it
 * lies and in the type it has.
 */
export function slicedOnGrid(volume: Volume, orientation: string, spacingMm: Vec3 | null): SlicedVolume {
  checkVolume(volume);
  const view = orderView(viewOf(volume), axisOrderTo(volume, orientation));
  const wanted = spacingMm === null ? view : gridWithSpacing(view, spacingMm);
  const grid = gridDifference(view, wanted, 0) === undefined ? view : wanted;
  const slice = resampler(view, grid, { mode: "linear", outside: "edge", name: volume.name });
  return { size: grid.size, affine: grid.affine, channels: volume.channels, name: volume.name, slice };
}

/** A whole volume of floats, slice by slice. */
export function slicedWhole({ data, size, affine, channels, name }: Volume<Float32Array>): SlicedVolume {
  const perSlice = size[0] * size[1];
  return {
    ...{ size, affine, channels, name },
    slice: (channel, z, out, at) => {
      const from = (channel * size[2] + z) * perSlice;
      out.set(data.subarray(from, from + perSlice), at);
    },
  };
}

/** Shows a channel's slices one after the other; each may be changed by who looks at it. */
export function passOver({ size, slice }: SlicedVolume, channel: number): Pass {
  const values = new Float32Array(size[0] * size[1]);
  return (visit) => {
    for (let z = 0; z < size[2]; z++) {
      slice(channel, z, values, 0);
      visit(values);
    }
  };
}

/** All slices. */
export function wholeOf({ size, affine, channels, name, slice }: SlicedVolume): Volume<Float32Array> {
  const perSlice = size[0] * size[1];
  const data = new Float32Array(perSlice * size[2] * channels);
  for (let c = 0, at = 0; c < channels; c++) for (let z = 0; z < size[2]; z++, at += perSlice) slice(c, z, data, at);
  return { data, size, affine, channels, name };
}
