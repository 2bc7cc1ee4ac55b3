/** `medvox detect train`: from a data set with boxes to a run. */
import { type DetectionRequest, detection } from "../../rcnn/index.ts";
import { addDetectionOptions, type DetectionOptions, detectionRequest } from "../detection-options.ts";
import { trainingCommand } from "../training-command.ts";

export const command = trainingCommand<DetectionOptions, DetectionRequest>({
  task: detection,
  addOptions: addDetectionOptions,
  request: detectionRequest,
  place: ({ out }) => ({ out }),
  examples: [
    "medvox detect train --data BCCD --out runs/cells",
    "medvox detect train --data BCCD --arch resnet18 --min-size 240 --anchors 16/32/64/128/256 --augmentation slide --batch 4",
    "medvox detect train --data nodules.csv --backbone runs/pretrain --spacing 1,1,1 --window=-1000,400 --out runs/nodules",
  ],
  details:
    "A data set's own lists decide what is held out: test, else val; the rest is learnt from. Broken boxes are left out and counted;\nmedvox verify names them.",
});
