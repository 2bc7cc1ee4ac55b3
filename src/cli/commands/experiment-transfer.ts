/** `medvox experiment transfer`. */
import { runExperiment } from "../../med3d/index.ts";
import { experimentCommand } from "../experiment.ts";

export const command = experimentCommand(
  "transfer",
  "Trains small targets from scratch and from a pre-trained encoder, for the same number of steps. Targets whose test cases the\nencoder was trained on are refused.",
  (request, options) => runExperiment("transfer", request, options),
);
