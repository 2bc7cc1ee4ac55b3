/** A number with its noun, for messages: `1 voxel`, `3 voxels`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
