export type { FileContent, WriteOptions } from "./atomic.ts";
export { removeStaleTemporaries, writeError, writeFileAtomic } from "./atomic.ts";
