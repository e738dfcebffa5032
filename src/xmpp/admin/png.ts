/** Writes a PNG of at most four colours (https://www.w3.org/TR/png-3/), which is all that avatars need. */
import { crc32, deflateSync } from 'node:zlib';

export type Rgb = readonly [red: number, green: number, blue: number];

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const INDEXED_COLOUR = 3;
const BITS_PER_PIXEL = 2;

/** Length, type, data, and a CRC over type and data (§5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, crc]);
}

/**
 * Encodes a square picture.
 * @param size the side in pixels, a multiple of 4, so each row ends with a whole byte
 * @param palette one to four colours, each component 0…255
 * @param rowAt the indexes in the palette of the pixels of row y. A row that is the same array as the one above is copied
 */
export function encodePng(
  size: number,
  palette: readonly Rgb[],
  rowAt: (y: number) => readonly number[],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([BITS_PER_PIXEL, INDEXED_COLOUR, 0, 0, 0], 8);
  // Each row begins with its filter type: 0 (none), the best for indexed colour (§12.7).
  const rowBytes = 1 + (size * BITS_PER_PIXEL) / 8;
  const rows = Buffer.alloc(rowBytes * size);
  let above: readonly number[] | undefined;
  for (let y = 0; y < size; y += 1) {
    const row = rowAt(y);
    const start = y * rowBytes;
    if (row === above) rows.copyWithin(start, start - rowBytes, start);
    else {
      for (const [x, colour] of row.entries()) {
        const at = start + 1 + (x >> 2);
        rows[at] = (rows[at] ?? 0) | (colour << (6 - 2 * (x & 3)));
      }
    }
    above = row;
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flat())),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
