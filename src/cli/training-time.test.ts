import { expect, test } from "vitest";
import type { Progress } from "../progress.ts";
import { trainingEvents } from "./training.ts";
import { stepTimer, timeText } from "./training-time.ts";

/** A clock that is read at these moments, in seconds. */
const clock = (...seconds: number[]): (() => number) => {
  let at = 0;
  return () => 1000 * seconds[Math.min(at++, seconds.length - 1)];
};
const report = { stepsPerEpoch: 10 };
const place = { epochs: 30 };

test("the first step, which builds the graph, is not measured", () => {
  const timer = stepTimer(clock(40, 42, 44, 46));
  timer.step(report, place);
  expect(timer.time()).toBeUndefined();
  for (let i = 0; i < 3; i++) timer.step(report, place);
  expect(timer.time()).toEqual({ secondsPerStep: 2, stepsPerEpoch: 10, epochs: 30, measured: 3, seconds: 600 });
  expect(timeText(timer.time()!)).toBe("about 10m00s for 30 epochs of 10 steps, by 3 steps of 2 s");
});

test("the first epoch says once how long the training takes, and its end how long is left", () => {
  const notes: string[] = [];
  const progress: Progress = { update() {}, note: (line) => void notes.push(line), clear() {} };
  const whole = { child: "", stage: "", at: 1, of: 1, epochs: 3 };
  let now = 0;
  const events = trainingEvents(progress, {}, () => now);
  for (let stepInEpoch = 1; stepInEpoch <= 8; stepInEpoch++) {
    now += 2000;
    events.onStep?.({ epoch: 1, stepInEpoch, stepsPerEpoch: 8, step: stepInEpoch, loss: 1 }, whole);
  }
  expect(notes).toEqual(["time     about 48s for 3 epochs of 8 steps, by 5 steps of 2 s"]);
  const epoch = { epochs: 3, trainLoss: 1, learningRate: 1e-3, seconds: 20, waitingShare: 0, best: false };
  events.onEpoch?.({ ...epoch, epoch: 1 }, whole);
  events.onEpoch?.({ ...epoch, epoch: 2 }, whole);
  expect(notes[1]).toMatch(/^epoch 1\/3 {2}loss 1\.000 {2}20\.0 s, 0\.0 % waiting for data {2}about 40s left$/);
  expect(notes[2]).not.toContain("left");
});
