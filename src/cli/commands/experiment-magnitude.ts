/** `medvox experiment magnitude`. */
import { runExperiment } from "../../med3d/index.ts";
import { experimentCommand } from "../experiment.ts";

export const command = experimentCommand(
  "magnitude",
  "Trains on growing shares of a set's cases, each for the same number of steps, and scores on the same held-out cases.",
  (request, options) => runExperiment("magnitude", request, options),
);
