/** `medvox experiment rpn`. */
import { runRpnExperiment } from "../../rcnn/index.ts";
import { experimentCommand } from "../experiment.ts";

export const command = experimentCommand(
  "rpn",
  "What the parts of Faster R-CNN's region proposal network bring: scales and ratios of its anchors, number of proposals, suppression, objectness,\nregression; joint training, the four steps and networks that share nothing.",
  runRpnExperiment,
);
