/** @module medvox/weights: weights of networks as files: safetensors, PyTorch checkpoints; and which of them fit a network. Free of Node APIs; `medvox/files` reads and writes them on disk. */

export { foreignKind } from "./foreign.ts";
export {
  type ArchitectureHint,
  describeMatch,
  hintOf,
  hintText,
  type MatchedWeights,
  type MatchOptions,
  matchWeights,
} from "./match.ts";
export type {
  Safetensors,
  SafetensorsHeader,
  StoredTensor,
  TensorEntry,
  WeightData,
  WeightDtype,
  WeightTensor,
} from "./safetensors.ts";
export {
  decodeHeader,
  decodeSafetensors,
  decodeValues,
  encodePieces,
  encodeSafetensors,
  headerLength,
  MAX_HEADER_BYTES,
} from "./safetensors.ts";
export { CheckpointTensors, decodeTorch, looksLikeTorch } from "./torch.ts";
