/**
 * Colour changes of a picture in 0 … 1, in place, with torchvision's definitions (`ColorJitter`): staining and lighting
 * differ from slide to slide, boxes do not.
 */
import type { PlanarImage } from "../../images/index.ts";
import type { Random } from "../../random.ts";

/** How far each is changed: a factor in 1 ± amount; hue a shift in ± amount of the colour circle, at most 0.5. */
export interface ColorJitter {
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
  readonly hue?: number;
}

/** All four in random order. Gray pictures have neither saturation nor hue. */
export function jitterColor(image: PlanarImage, jitter: ColorJitter, random: Random): void {
  const factor = (amount: number): number => random.between(Math.max(0, 1 - amount), 1 + amount);
  const { brightness: b = 0, contrast: c = 0, saturation: s = 0, hue: h = 0 } = jitter;
  const changes = [
    () => b > 0 && brightness(image, factor(b)),
    () => c > 0 && colorContrast(image, factor(c)),
    () => s > 0 && saturation(image, factor(s)),
    () => h > 0 && hue(image, random.between(-h, h)),
  ];
  for (const change of random.shuffle(changes)) change();
}

/** v · factor. */
export function brightness({ data }: PlanarImage, factor: number): void {
  for (let i = 0; i < data.length; i++) data[i] = clamp(data[i] * factor);
}

/** Away from or towards the picture's mean luma. */
export function colorContrast(image: PlanarImage, factor: number): void {
  const { data } = image;
  const pixels = image.width * image.height;
  let sum = 0;
  for (let i = 0; i < pixels; i++) sum += lumaOf(image, i, pixels);
  const rest = (1 - factor) * (sum / pixels);
  for (let i = 0; i < data.length; i++) data[i] = clamp(factor * data[i] + rest);
}

/** Away from or towards each pixel's own luma. */
export function saturation(image: PlanarImage, factor: number): void {
  if (image.channels !== 3) return;
  const { data } = image;
  const pixels = image.width * image.height;
  for (let i = 0; i < pixels; i++) {
    const rest = (1 - factor) * lumaOf(image, i, pixels);
    for (let at = i; at < data.length; at += pixels) data[at] = clamp(factor * data[at] + rest);
  }
}

/** Every colour moved along the circle of hues by `shift` of it. */
export function hue(image: PlanarImage, shift: number): void {
  if (image.channels !== 3) return;
  const { data } = image;
  const pixels = image.width * image.height;
  for (let i = 0; i < pixels; i++) {
    const [r, g, b] = [data[i], data[i + pixels], data[i + 2 * pixels]];
    const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
    const range = most - least;
    if (range === 0) continue;
    // Sixths of the circle: red 0, green 2, blue 4.
    const sixth = most === r ? (g - b) / range : most === g ? 2 + (b - r) / range : 4 + (r - g) / range;
    const turned = (((sixth / 6 + shift) % 1) + 1) % 1;
    const place = turned * 6;
    const part = place - Math.floor(place);
    const [p, q, t] = [least, clamp(most - range * part), clamp(most - range * (1 - part))];
    const colors = [
      [most, t, p],
      [q, most, p],
      [p, most, t],
      [p, q, most],
      [t, p, most],
      [most, p, q],
    ][Math.floor(place) % 6];
    for (let c = 0; c < 3; c++) data[i + c * pixels] = colors[c];
  }
}

function lumaOf({ data, channels }: PlanarImage, i: number, pixels: number): number {
  return channels === 3 ? 0.2989 * data[i] + 0.587 * data[i + pixels] + 0.114 * data[i + 2 * pixels] : data[i];
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}
