/** Taking a part of what a file holds: some labels of a label map, some channels of an image. */
import { DataError } from "../../errors.ts";
import type { Volume } from "../../volume/types.ts";
import { counted } from "../counted.ts";
import type { LabelPick } from "../types.ts";
import { eachRun, requireLabel } from "./values.ts";

/**
 * The label map with only the picked values, renumbered from 1.
 * @throws DataError where a value is not a whole number
 */
export function pickLabels<V extends Volume>(
  label: V,
  pick: LabelPick,
  name: string,
): V & Volume<Int16Array | Int32Array> {
  const indexOf = new Map(pick.flatMap((values, k) => values.map((value) => [value, k + 1] as const)));
  const { data } = label;
  const picked = pick.length <= 0x7fff ? new Int16Array(data.length) : new Int32Array(data.length);
  eachRun(data, (run) => {
    const index = indexOf.get(requireLabel(run, name));
    if (index !== undefined) picked.fill(index, run.start, run.end);
  });
  return { ...label, data: picked };
}

/**
 * The image with only the channels named, in the order named.
 * @throws DataError where it has not so many
 */
export function pickChannels<V extends Volume>(image: V, channels: readonly number[], name: string): V {
  const missing = channels.find((channel) => channel >= image.channels);
  if (missing !== undefined) {
    throw new DataError(
      `${name}: image has ${counted(image.channels, "channel")}, channel ${missing} (from 0) is asked for`,
    );
  }
  const voxels = image.data.length / image.channels;
  if (channels.length === 1) {
    const data = image.data.subarray(channels[0] * voxels, (channels[0] + 1) * voxels);
    return { ...image, data, channels: 1 };
  }
  const data = image.data.slice(0, channels.length * voxels);
  for (const [i, channel] of channels.entries()) {
    const part = image.data.subarray(channel * voxels, (channel + 1) * voxels);
    // Of one element type, which a union of array types cannot say.
    (data as Float32Array).set(part as Float32Array, i * voxels);
  }
  return { ...image, data, channels: channels.length };
}
