/** A command that trains a segmentation: what the four of them differ in is what is usual, and what their help says. */
import { type SegmentationRequest, segmentation } from "../med3d/index.ts";
import type { CommandModule } from "./command.ts";
import {
  addSegmentationOptions,
  foldsOf,
  type SegmentationOptions,
  segmentationRequest,
} from "./segmentation-options.ts";
import { type TrainingCommand, trainingCommand } from "./training-command.ts";

export function segmentationCommand(
  own: Pick<TrainingCommand<SegmentationOptions, SegmentationRequest>, "examples" | "details"> & {
    /** What the command has where nobody says anything. @param from `null` for no weights, left out where nothing is said of them */
    readonly usual?: (from: string | null | undefined) => Partial<SegmentationRequest>;
  },
): CommandModule {
  return trainingCommand<SegmentationOptions, SegmentationRequest>({
    ...own,
    task: segmentation,
    addOptions: addSegmentationOptions,
    request: (options) => segmentationRequest(options, own.usual),
    place: (options, request) => ({ out: options.out, only: foldsOf(options, request) }),
  });
}
