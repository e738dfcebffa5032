/** A PNG of few colours (https://www.w3.org/TR/png-3/): all that generated pictures need. */
import { crc32, deflateSync } from 'node:zlib';

export type Rgb = readonly [red: number, green: number, blue: number];

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const indexed = 3;
const bitsPerPixel = 2;

/** Length, type, data and a CRC over the last two (§5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, crc]);
}

/**
 * A square picture of at most four colours.
 * @param size its side, in pixels; a multiple of 4, so that rows end with a byte
 * @param palette one to four colours, each part 0…255
 * @param colourAt which of them a pixel has
 */
export function encodePng(
  size: number,
  palette: readonly Rgb[],
  colourAt: (x: number, y: number) => number,
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([bitsPerPixel, indexed, 0, 0, 0], 8);
  // Each row begins with its filter: none, which is best for indexed pictures (§12.7).
  const rowBytes = 1 + (size * bitsPerPixel) / 8;
  const rows = Buffer.alloc(rowBytes * size);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const at = y * rowBytes + 1 + (x >> 2);
      rows[at] = (rows[at] ?? 0) | (colourAt(x, y) << (6 - 2 * (x & 3)));
    }
  }
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flat())),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
