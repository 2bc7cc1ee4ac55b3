/**
 * Suppression of RPN-like boxes on one core: `npx tsx bench/nms.ts [boxes]`. Boxes of three sizes and shapes stand at random over a
 * 1000×600 image, scores fall off around 20 objects, as an RPN's do.
 */
import { random } from "../src/random.ts";
import { nms } from "../src/rcnn/nms.ts";

const count = Number(process.argv[2] ?? 12000);
const stream = random(1, "bench nms");
const objects = Array.from({ length: 20 }, () => [stream.between(0, 1000), stream.between(0, 600)]);
for (const threshold of [0.3, 0.5, 0.7]) {
  for (const kind of ["uniform", "around objects"]) {
    const boxes = new Float32Array(count * 4);
    const scores = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const side = [128, 256, 512][stream.integer(3)] * Math.exp(stream.normal() * 0.2);
      const ratio = Math.sqrt([0.5, 1, 2][stream.integer(3)]);
      const near = objects[stream.integer(20)];
      const x = kind === "uniform" ? stream.between(0, 1000) : near[0] + stream.normal() * 60;
      const y = kind === "uniform" ? stream.between(0, 600) : near[1] + stream.normal() * 60;
      boxes.set([x - side / ratio / 2, y - (side * ratio) / 2, x + side / ratio / 2, y + (side * ratio) / 2], i * 4);
      scores[i] = stream.uniform();
    }
    for (let i = 0; i < boxes.length; i++) boxes[i] = Math.min(Math.max(boxes[i], 0), i % 2 === 0 ? 1000 : 600);
    const times: number[] = [];
    let kept = 0;
    for (let run = 0; run < 15; run++) {
      // Time of this process on its core: what else runs on the machine does not count.
      const began = process.cpuUsage();
      kept = nms(boxes, scores, { axes: 2, threshold, limit: 2000 }).length;
      const { user, system } = process.cpuUsage(began);
      times.push((user + system) / 1000);
    }
    times.sort((a, b) => a - b);
    console.log(
      `${count} boxes ${kind}, threshold ${threshold}: ${kept} kept, median ${times[7].toFixed(1)} ms, best ${times[0].toFixed(1)} ms`,
    );
  }
}
