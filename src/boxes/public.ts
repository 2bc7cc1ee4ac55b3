/**
 * @module medvox/boxes: boxes in 2D and 3D: areas, overlaps, and what geometry does to them. Free of Node APIs. What is not among these names
 * stands behind `medvox/boxes/internal`, where names may change with any version.
 */
export {
  type Axes,
  type BoxArray,
  type BoxProblem,
  boundingBoxOf,
  boxArea,
  boxCount,
  boxesOnGrid,
  boxProblem,
  boxSide,
  clipBoxes,
  flipBoxes,
  formatBox,
  intersectionOf,
  iouOf,
  pairwiseGeneralizedIou,
  pairwiseIou,
  quarterTurnBoxes,
  scaleBoxes,
  takeBoxes,
  translateBoxes,
  voxelBoxOf,
  voxelBoxOfBall,
  type WorldBall,
  type WorldSpace,
  worldBoxOf,
} from "./index.ts";
