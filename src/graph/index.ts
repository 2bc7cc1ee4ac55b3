/** @module medvox/graph: tensors, operators, gradients, ONNX. */
export type { FreeAxes } from "./axes/free.ts";
export { cleanUp } from "./cleanup.ts";
export {
  type DType,
  type GradientContext,
  type GradientRule,
  Graph,
  type GraphOptions,
  type Initializer,
  type LabelRule,
  type Node,
  type Operator,
  type OperatorTable,
  type ParameterInfo,
  type Shape,
  shapeText,
  sizeOf,
  Tensor,
  type TensorData,
  type TensorSource,
  type TensorType,
} from "./core.ts";
export * from "./functional/elementwise.ts";
export * from "./functional/linear.ts";
export * from "./functional/movement.ts";
export * from "./functional/normalisation.ts";
export {
  argMax,
  globalAveragePool,
  max,
  mean,
  min,
  type ReduceOptions,
  spatialAxes,
  sum,
  sumSquare,
} from "./functional/reduce.ts";
export {
  applyMatrix,
  linearMatrix,
  type ResizeOptions,
  type RoiAlignOptions,
  resize,
  roiAlign,
} from "./functional/resample.ts";
export {
  type AlignRegionsOptions,
  alignRegions,
  fitToCanvas,
  highest,
  suppressOverlaps,
} from "./functional/selection.ts";
export { gradients, reachable } from "./gradients.ts";
export { BuildingGraph, graph } from "./graph.ts";
export type { ConvolutionCase, Form, FormRule, Forms } from "./lowering/forms.ts";
export * from "./lowering/index.ts";
export type { WindowGeometry } from "./lowering/windows.ts";
export type { AxisAlgorithm } from "./lowering/winograd-axis.ts";
export { type GraphMemory, graphMemory } from "./memory.ts";
export { byteSize, encodeOnnx, type OnnxOptions, OPSET } from "./onnx.ts";
export { type OnnxModel, type OnnxValue, readOnnx } from "./onnx-read.ts";
export { operators } from "./operators/table.ts";
export type {
  Attributes,
  ConvAttributes,
  EmitContext,
  Emitter,
  Fitting,
  OnnxAttribute,
  OperatorName,
  Reduction,
  WindowAttributes,
} from "./operators/types.ts";
export type { Rewritten } from "./rewrite.ts";
export { type Scope, scope } from "./scope.ts";
