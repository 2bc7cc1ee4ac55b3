/** Lowering: equivalent, faster forms of a graph. */
export { type Lowered, type LowerOptions, lower } from "./lower.ts";
export { joinWeights, pieceNames, pieceShapes, splitWeights, type WeightLayout } from "./values.ts";
