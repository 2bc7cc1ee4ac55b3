/**
 * 16-bit floats as bits, both ways: IEEE 754 binary16 (`F16`) and bfloat16 (`BF16`). Widening is exact; narrowing
 * rounds to nearest, ties to even, as PyTorch and NumPy do. Written out because Node 20 has no Float16Array.
 */

const bits = new Uint32Array(1);
const value = new Float32Array(bits.buffer);

/** Every binary16 is exactly one 32-bit float: sign, 5-bit exponent (bias 15), 10-bit fraction. */
export function widenHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Nearest binary16; beyond 65504 (and its rounding interval) infinity. */
export function narrowHalf(number: number): number {
  value[0] = number;
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = Math.abs(value[0]);
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  // Below the smallest normal number the spacing is 2^-24 throughout.
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = ((bits[0] >>> 23) & 255) - 127;
  // A fraction that rounds up to 2048 carries into the exponent by itself.
  return sign | (((exponent + 14) << 10) + roundHalfEven(magnitude * 2 ** (10 - exponent)));
}

/** A bfloat16 is the upper half of a 32-bit float. */
export function widenBfloat(bfloat: number): number {
  bits[0] = bfloat << 16;
  return value[0];
}

/** Nearest bfloat16. */
export function narrowBfloat(number: number): number {
  value[0] = number;
  // A NaN must not round to infinity.
  if (Number.isNaN(value[0])) return ((bits[0] >>> 16) & 0x8000) | 0x7fc0;
  return ((bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) / 65536) & 0xffff;
}

function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
