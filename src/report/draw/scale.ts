/** Axes: round tick values, and the map from data to picture. */
export interface Scale {
  readonly ticks: readonly number[];
  /** Data to picture coordinates. */
  at(value: number): number;
}

/** A linear axis over round numbers that hold `low` to `high`, with about `count` ticks. */
export function linearScale(low: number, high: number, [from, to]: readonly [number, number], count = 5): Scale {
  let [a, b] = [low, high];
  const size = Math.max(Math.abs(a), Math.abs(b));
  // Values that differ by rounding only count as one value, which then lies in the middle.
  if (b - a < 1e-9 * size || size < 1e-300) {
    const room = size < 1e-300 ? 1 : size;
    [a, b] = [a - room / 2, b + room / 2];
  }
  const step = roundStep((b - a) / Math.max(1, count - 1));
  const first = Math.floor(a / step + 1e-9);
  const last = Math.ceil(b / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  const [start, end] = [ticks[0], ticks[ticks.length - 1]];
  return { ticks, at: (value) => from + ((value - start) / (end - start)) * (to - from) };
}

/** A linear axis that ends exactly at `low` and `high`, for epochs: ticks are whole numbers inside. */
export function wholeScale(low: number, high: number, [from, to]: readonly [number, number], count = 5): Scale {
  const span = Math.max(1, high - low);
  const step = Math.max(1, roundStep(span / count));
  const ticks = [low];
  for (let tick = Math.ceil((low + 0.5 * step) / step) * step; tick <= high; tick += step) ticks.push(tick);
  const middle = (from + to) / 2;
  return { ticks, at: (value) => (high === low ? middle : from + ((value - low) / (high - low)) * (to - from)) };
}

/** A logarithmic axis over whole powers of ten. Values must be positive. */
export function logScale(low: number, high: number, [from, to]: readonly [number, number]): Scale {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const step = Math.ceil((last - first) / 5);
  const ticks: number[] = [];
  for (let power = first; power <= last; power += step) ticks.push(Number(`1e${power}`));
  return { ticks, at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from) };
}

/** The one of 1, 2 and 5 times a power of ten that is nearest to `raw`. */
function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const share = raw / power;
  return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}
