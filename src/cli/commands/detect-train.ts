/** `medvox detect train`: from a data set with boxes to a run. */
import { trainDetector } from "../../rcnn/index.ts";
import { defineCommand } from "../command.ts";
import { detectionEvents, detectionOutcome, detectionTrainingJson } from "../detection.ts";
import { addDetectionOptions, type DetectionOptions, detectionRequest } from "../detection-options.ts";
import { nameOf } from "../names.ts";
import { refuseToOverwrite } from "../outputs.ts";
import { stoppedAt } from "../segmentation-options.ts";

export const command = defineCommand<DetectionOptions>({
  configure: (command) => void addDetectionOptions(command),
  examples: [
    "medvox detect train --data BCCD --out runs/cells",
    "medvox detect train --data BCCD --arch resnet18 --min-size 240 --anchors 16/32/64/128/256 --augmentation slide --batch 4",
    "medvox detect train --data nodules.csv --backbone runs/pretrain --spacing 1,1,1 --window=-1000,400 --out runs/nodules",
  ],
  details:
    "A data set's own lists decide what is held out: test, else val; the rest is learnt from. Broken boxes are left out and counted;\nmedvox verify names them.",
  json: detectionTrainingJson,
  writes: true,
  async run({ signal, progress, style, force, typed: command }, options) {
    const request = await detectionRequest(options);
    const out = options.out ?? `runs/${nameOf(request.data)}`;
    refuseToOverwrite(out, force);
    const { events, close } = detectionEvents(progress);
    const run = await trainDetector(request, { out, force, signal, command, ...events }).catch(stoppedAt(out));
    close();
    return detectionOutcome(out, run, style);
  },
});
