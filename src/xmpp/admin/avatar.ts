/**
 * A picture for somebody who has none, made from a text: the same text gives the same pixels, everywhere and always, so
 * that operators know a visitor again at a glance. Nothing of the text can be read from it.
 */
import { createHash } from 'node:crypto';
import { encodePng, type Rgb } from './png.ts';

/** Five rows of five cells, the right half mirroring the left one: faces and figures, easy to remember. */
const cells = 5;
const cellSize = 16;
const margin = 8;
/** 96 pixels: what clients show in a roster, on a screen with two pixels for one. */
export const avatarSize = cells * cellSize + 2 * margin;

const background = 0;
const main = 1;
const accent = 2;

/** Hues in steps that an eye can tell apart at one lightness. */
const hues = 24;

/** Fewer drawn cells of 15 look empty, more look like a block. */
const fewest = 5;
const most = 11;

/** Bytes without end, decided by the text alone. */
function* bytesOf(seed: string): Generator<number, never> {
  for (let block = 0; ; block += 1) {
    yield* createHash('sha256').update(`xmpp-chat avatar 1\0${block}\0${seed}`).digest();
  }
}

const gamma = (linear: number): number =>
  linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;

/**
 * A colour by lightness and chroma as the eye measures them, so that no hue is darker or louder than another (OKLCH,
 * https://www.w3.org/TR/css-color-4/#ok-lab).
 */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const angle = (hue * Math.PI) / 180;
  const a = chroma * Math.cos(angle);
  const b = chroma * Math.sin(angle);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const byte = (linear: number) => Math.round(255 * gamma(Math.min(1, Math.max(0, linear))));
  return [
    byte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    byte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    byte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** Half of the cells are drawn, a quarter of those in the second colour. */
function pattern(bytes: Iterator<number, never>): readonly number[] {
  const half = Math.ceil(cells / 2) * cells;
  for (;;) {
    const drawn = Array.from({ length: half }, () => {
      const { value } = bytes.next();
      if (value >= 128) return background;
      return value < 32 ? accent : main;
    });
    const count = drawn.filter((colour) => colour !== background).length;
    if (count >= fewest && count <= most) return drawn;
  }
}

/**
 * The picture of whoever has this seed: a PNG of {@link avatarSize} pixels a side, some 140 bytes. The pixels are the
 * same on every machine; the bytes may differ from one release of zlib to another.
 */
export function avatarOf(seed: string): Buffer {
  const bytes = bytesOf(seed);
  const hue = (bytes.next().value % hues) * (360 / hues);
  const second = hue + (bytes.next().value < 128 ? 60 : -60);
  const palette = [oklch(0.95, 0.03, hue), oklch(0.58, 0.15, hue), oklch(0.74, 0.13, second)];
  const drawn = pattern(bytes);
  return encodePng(avatarSize, palette, (x, y) => {
    const column = Math.floor((x - margin) / cellSize);
    const row = Math.floor((y - margin) / cellSize);
    if (column < 0 || row < 0 || column >= cells || row >= cells) return background;
    return drawn[row * Math.ceil(cells / 2) + Math.min(column, cells - 1 - column)] ?? background;
  });
}
