/** Generated pictures, read by this file's own decoder. */
import { createHash } from 'node:crypto';
import { crc32, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AVATAR_PX, avatarOf } from '../../../src/xmpp/admin/avatar.ts';

/** Decodes an indexed PNG with two bits per pixel, and checks every part of it. */
function decode(png: Buffer) {
  expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const typed = png.subarray(at + 4, at + 8 + length);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(typed));
    chunks.push({ type: typed.toString('latin1', 0, 4), data: typed.subarray(4) });
    at += 12 + length;
  }
  expect(chunks.map(({ type }) => type)).toEqual(['IHDR', 'PLTE', 'IDAT', 'IEND']);
  const [header, colours, pixels] = chunks.map(({ data }) => data);
  if (!header || !colours || !pixels) throw new Error('a chunk is missing');
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  // Two bits, indexed, deflate, the standard filters, not interlaced.
  expect([...header.subarray(8)]).toEqual([2, 3, 0, 0, 0]);
  const rows = inflateSync(pixels);
  const rowBytes = 1 + width / 4;
  expect(rows.length).toBe(rowBytes * height);
  const at = (x: number, y: number): string => {
    // No `expect`: this runs a hundred thousand times.
    if (rows[y * rowBytes] !== 0) throw new Error(`the row ${y} has a filter`);
    const index = ((rows[y * rowBytes + 1 + (x >> 2)] ?? 0) >> (6 - 2 * (x & 3))) & 3;
    const rgb = colours.subarray(index * 3, index * 3 + 3);
    if (rgb.length !== 3) throw new Error(`the colour ${index} is not in the palette`);
    return rgb.toString('hex');
  };
  return { width, height, colours, at };
}

/** The colours of the 25 cells, row by row. */
function cellsOf(png: Buffer): readonly string[] {
  const { at } = decode(png);
  return Array.from({ length: 25 }, (_, cell) =>
    at(8 + (cell % 5) * 16 + 8, 8 + Math.floor(cell / 5) * 16 + 8),
  );
}

const look = (seed: string): string =>
  createHash('sha256')
    .update(cellsOf(avatarOf(seed)).join())
    .digest('hex')
    .slice(0, 16);

test('is a small PNG, the same for the same seed on every machine', () => {
  const seed = 'visitor.42@xmpp.test';
  const png = avatarOf(seed);
  expect(png.length).toBeLessThan(500);
  expect(avatarOf(seed).equals(png)).toBe(true);
  const { width, height } = decode(png);
  expect([width, height]).toEqual([AVATAR_PX, AVATAR_PX]);
  // Must not change with a release: operators recognise visitors by their pictures.
  expect(look(seed)).toBe('bfe0932a4590ae6b');
});

test('has a mirrored pattern and an empty margin for any seed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (seed) => {
      const png = avatarOf(seed);
      const { at, colours } = decode(png);
      expect(png.length).toBeLessThan(500);
      const cells = cellsOf(png);
      const empty = at(0, 0);
      expect(empty).toBe(colours.toString('hex', 0, 3));
      expect(at(AVATAR_PX - 1, AVATAR_PX - 1)).toBe(empty);
      const drawn = cells.filter((cell, index) => cell !== empty && index % 5 < 3).length;
      expect(drawn).toBeGreaterThanOrEqual(5);
      expect(drawn).toBeLessThanOrEqual(11);
      for (const [index, cell] of cells.entries()) {
        expect(cells[index - (index % 5) + 4 - (index % 5)]).toBe(cell);
      }
    }),
    { numRuns: 50 },
  );
});

test('differs between visitors', () => {
  const looks = Array.from({ length: 1_000 }, (_, id) => look(`visitor.${id}@xmpp.test`));
  expect(new Set(looks).size).toBe(1_000);
  const backgrounds = new Set(
    Array.from({ length: 500 }, (_, id) => decode(avatarOf(`visitor.${id}@xmpp.test`)).at(0, 0)),
  );
  expect(backgrounds.size).toBe(24);
});

test('has enough contrast with any hue', () => {
  /** Relative luminance (WCAG 2.2). */
  const luminance = (colour: Buffer): number => {
    const [r = 0, g = 0, b = 0] = [...colour].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (let id = 0; id < 300; id += 1) {
    const { colours } = decode(avatarOf(`visitor.${id}@xmpp.test`));
    const [back = 0, main = 0] = [0, 3].map((at) => luminance(colours.subarray(at, at + 3)));
    expect((back + 0.05) / (main + 0.05)).toBeGreaterThan(3);
  }
});
