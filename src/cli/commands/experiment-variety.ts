/** `medvox experiment variety`. */
import { runExperiment } from "../../med3d/index.ts";
import { experimentCommand } from "../experiment.ts";

export const command = experimentCommand(
  "variety",
  "Trains on every set alone and on all sets jointly, and scores each set's held-out cases.",
  (request, options) => runExperiment("variety", request, options),
);
