/**
 * A picture for a visitor without one, drawn from a text. The same text gives the same pixels, on every machine and
 * with every release, so operators recognise a returning visitor at a glance. The text cannot be read from the picture.
 */
import { createHash } from 'node:crypto';
import { encodePng, type Rgb } from './png.ts';

/** Five rows of five cells. The right half mirrors the left one: such figures are easy to remember. */
const CELLS = 5;
const CELL_PX = 16;
const MARGIN_PX = 8;
/** 96 pixels: what a roster shows on a screen with two device pixels for each. */
export const AVATAR_PX = CELLS * CELL_PX + 2 * MARGIN_PX;

/** Indexes of the palette. */
const BACKGROUND = 0;
const MAIN = 1;
const ACCENT = 2;

/** The number of hues: neighbours can still be told apart at one lightness. */
const HUES = 24;

/** Of 15 cells. With fewer in colour a picture looks empty, with more it looks like a block. */
const FEWEST_COLOURED = 5;
const MOST_COLOURED = 11;

/** An endless sequence of bytes that depends on the seed alone. */
function* bytesOf(seed: string): Generator<number, never> {
  for (let block = 0; ; block += 1) {
    yield* createHash('sha256').update(`xmpp-chat avatar 1\0${block}\0${seed}`).digest();
  }
}

const gamma = (linear: number): number =>
  linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;

/**
 * A colour by its perceived lightness and chroma, so no hue looks darker or louder than another (OKLCH,
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

/** The colours of the left half and the middle column. Half of the cells have one, a quarter of those the accent. */
function pattern(bytes: Iterator<number, never>): readonly number[] {
  const half = Math.ceil(CELLS / 2) * CELLS;
  for (;;) {
    const colours = Array.from({ length: half }, () => {
      const { value } = bytes.next();
      if (value >= 128) return BACKGROUND;
      return value < 32 ? ACCENT : MAIN;
    });
    const coloured = colours.filter((colour) => colour !== BACKGROUND).length;
    if (coloured >= FEWEST_COLOURED && coloured <= MOST_COLOURED) return colours;
  }
}

/**
 * Draws the picture of this seed: a PNG of {@link AVATAR_PX} pixels a side and about 140 bytes. The pixels are the same
 * on every machine. The bytes may differ between releases of zlib.
 */
export function avatarOf(seed: string): Buffer {
  const bytes = bytesOf(seed);
  const hue = (bytes.next().value % HUES) * (360 / HUES);
  const second = hue + (bytes.next().value < 128 ? 60 : -60);
  const palette = [oklch(0.95, 0.03, hue), oklch(0.58, 0.15, hue), oklch(0.74, 0.13, second)];
  const colours = pattern(bytes);
  const blank = Array.from({ length: AVATAR_PX }, () => BACKGROUND);
  const rows = Array.from({ length: CELLS }, (_, row) => rowOf(colours, row));
  return encodePng(AVATAR_PX, palette, (y) => rows[cellAt(y)] ?? blank);
}

/** The row or column of cells that a pixel is in; a number that no cell has in the margin. */
const cellAt = (pixel: number): number => Math.floor((pixel - MARGIN_PX) / CELL_PX);

/** The pixels of a row of cells. */
function rowOf(colours: readonly number[], row: number): readonly number[] {
  return Array.from({ length: AVATAR_PX }, (_, x) => {
    const column = cellAt(x);
    if (column < 0 || column >= CELLS) return BACKGROUND;
    const mirrored = Math.min(column, CELLS - 1 - column);
    return colours[row * Math.ceil(CELLS / 2) + mirrored] ?? BACKGROUND;
  });
}
