/** Weights of networks as files: safetensors. Free of Node APIs; `medvox/files` reads and writes them on disk. */
export type {
  Safetensors,
  SafetensorsHeader,
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
