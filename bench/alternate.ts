/**
 * Two sides measured in turn, A B A B …, so that whatever else the machine does falls on both. The side whose turn it is not
 * must be idle: after each step the other's threads get a moment to go to sleep, and how much processor time the waiting
 * side used all the same is reported.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSeconds } from "./peer.ts";

export interface Side {
  /** One measured piece of work, in ms. */
  step(): Promise<number>;
  /** The process it runs in. */
  readonly pid: number;
}

export interface Times {
  readonly median: number;
  readonly min: number;
  readonly all: readonly number[];
}

export interface Alternated {
  readonly ours: Times;
  readonly theirs: Times;
  /** Processor time the waiting side used, as a share of one core, the larger of the two sides. */
  readonly idleShare: number;
}

export interface AlternateOptions {
  readonly warmUp?: number;
  readonly rounds?: number;
  /** Between two steps, so that threads stop spinning. */
  readonly pauseMs?: number;
}

export async function alternate(ours: Side, theirs: Side, options: AlternateOptions = {}): Promise<Alternated> {
  const { warmUp = 3, rounds = 12, pauseMs = 60 } = options;
  for (const side of [ours, theirs]) for (let i = 0; i < warmUp; i++) await side.step();
  const times: [number[], number[]] = [[], []];
  const burnt = [0, 0];
  const waited = [0, 0];
  for (let round = 0; round < rounds; round++) {
    for (const [i, side] of [ours, theirs].entries()) {
      const other = i === 0 ? theirs : ours;
      await sleep(pauseMs);
      const before = cpuSeconds(other.pid);
      const began = performance.now();
      times[i].push(await side.step());
      waited[1 - i] += (performance.now() - began) / 1000;
      burnt[1 - i] += cpuSeconds(other.pid) - before;
    }
  }
  return {
    ours: timesOf(times[0]),
    theirs: timesOf(times[1]),
    idleShare: Math.max(burnt[0] / waited[0], burnt[1] / waited[1]),
  };
}

export function timesOf(all: readonly number[]): Times {
  const sorted = [...all].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], all };
}
