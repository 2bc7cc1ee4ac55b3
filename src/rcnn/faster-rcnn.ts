/** The four ways to a detector. */
import { detectorFromWeights, loadDetector } from "./detect/load.ts";
import { createTrainable, resumeTrainable } from "./trainable/create.ts";

/**
 * Faster R-CNN: `load` opens a run, `fromWeights` torchvision's weights, both to detect; `create` makes a detector to be trained step by step,
 * `resume` opens one again that was saved.
 */
export const fasterRcnn = {
  load: loadDetector,
  fromWeights: detectorFromWeights,
  create: createTrainable,
  resume: resumeTrainable,
};
