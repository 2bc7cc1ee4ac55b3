/**
 * Progress of long work, for people: one live line on a terminal, a few plain lines elsewhere (a log file, CI).
 * Work reports through the {@link Progress} interface and knows nothing of terminals; {@link streamProgress} draws it.
 */

/** How far one piece of work is. */
export interface ProgressState {
  /** What is being done and where it stands, in a few words: `epoch  9/16`. */
  label: string;
  /** Share done, 0 to 1. */
  fraction: number;
  /** Short facts shown after the bar: `loss 0.412`, `1.9 cases/s`. */
  details?: readonly string[];
}

export interface Progress {
  /** Replaces the live line; elsewhere than on a terminal, prints now and then. */
  update(state: ProgressState): void;
  /** A line that stays. */
  note(line: string): void;
  /** Ends the live line. Call it when the work is over, whether or not it went well; `update` may be called again. */
  clear(): void;
}

/** Where progress is written: `process.stderr`, or anything that looks enough like it. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface StreamProgressOptions {
  /** Milliseconds since any fixed moment. Default `performance.now`. */
  nowMs?: () => number;
}

/** Live lines are redrawn at most this often; more only costs time. */
const REDRAW_MS = 80;
/** Without a terminal, a line is printed at each tenth of the work, and after this long without one. */
const PLAIN_MS = 30_000;

/** Progress that nobody looks at. */
export const silentProgress: Progress = { update() {}, note() {}, clear() {} };

/** Progress drawn on a stream: live where it is a terminal, plain lines where it is not. */
export function streamProgress(stream: ProgressStream, options: StreamProgressOptions = {}): Progress {
  const nowMs = options.nowMs ?? (() => performance.now());
  return stream.isTTY ? liveProgress(stream, nowMs) : plainProgress(stream, nowMs);
}

function liveProgress(stream: ProgressStream, nowMs: () => number): Progress {
  let shown = false;
  let drawnMs = Number.NEGATIVE_INFINITY;
  const remaining = remainingTime(nowMs);
  const erase = (): void => {
    if (shown) stream.write("\r\u001b[2K");
    shown = false;
  };
  return {
    update(state) {
      const left = remaining(state.fraction);
      const now = nowMs();
      if (shown && state.fraction < 1 && now - drawnMs < REDRAW_MS) return;
      drawnMs = now;
      const parts = [`${state.label} ${bar(state.fraction)}`, ...(state.details ?? [])];
      if (left !== undefined && state.fraction < 1) parts.push(`${duration(left)} left`);
      // One column stays free: a full last column makes some terminals wrap.
      const line = parts.join("  ").slice(0, Math.max(20, (stream.columns ?? 80) - 1));
      stream.write(`\r\u001b[2K${line}`);
      shown = true;
    },
    note(line) {
      erase();
      stream.write(`${line}\n`);
    },
    clear: erase,
  };
}

function plainProgress(stream: ProgressStream, nowMs: () => number): Progress {
  let lastTenth = -1;
  let lastFraction = 0;
  let printedMs = nowMs();
  const remaining = remainingTime(nowMs);
  return {
    update(state) {
      const left = remaining(state.fraction);
      const tenth = Math.floor(state.fraction * 10 + 1e-9);
      if (state.fraction < lastFraction) lastTenth = -1;
      lastFraction = state.fraction;
      if (tenth === lastTenth && nowMs() - printedMs < PLAIN_MS) return;
      lastTenth = tenth;
      printedMs = nowMs();
      const parts = [state.label, `${Math.round(state.fraction * 100)} %`, ...(state.details ?? [])];
      if (left !== undefined && state.fraction < 1) parts.push(`${duration(left)} left`);
      stream.write(`${parts.join("  ")}\n`);
    },
    note(line) {
      stream.write(`${line}\n`);
    },
    clear() {},
  };
}

/** Seconds left, by the mean speed so far; a fraction that falls back starts anew (a second piece of work). */
function remainingTime(nowMs: () => number): (fraction: number) => number | undefined {
  let startMs = nowMs();
  let startFraction: number | undefined;
  let last = 0;
  return (fraction) => {
    if (startFraction === undefined || fraction < last) {
      startMs = nowMs();
      startFraction = fraction;
    }
    last = fraction;
    const gained = fraction - startFraction;
    if (gained <= 0) return undefined;
    return ((nowMs() - startMs) / 1000 / gained) * (1 - fraction);
  };
}

/** `███████░░░` for a fraction of 0 to 1. */
export function bar(fraction: number, width = 20): string {
  const share = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
  const full = Math.round(share * width);
  return "█".repeat(full) + "░".repeat(width - full);
}

/** `9s`, `2m06s`, `1h04m`: whole seconds, the two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}
