/**
 * The extension as a package: a `.zip` and a `.tar.gz` of `xmppchat/`, as it goes into LHC's folder `extension/`. The same
 * files give the same bytes, whenever and wherever they are packed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

/** The folder's name in LHC. */
const FOLDER = 'xmppchat';
/** 2026-01-01T00:00:00Z: the time of every file. */
const TIME_S = 1_767_225_600;
const MODE = 0o644;

export interface PackedFile {
  /** Below the archive's root, with `/`. */
  readonly path: string;
  readonly data: Buffer;
}

/**
 * The files of the extension, in the order of their paths, with the version and the licence beside them.
 * @param root of the project
 */
export function filesOf(root: string, version: string): PackedFile[] {
  const source = join(root, 'lhc', FOLDER);
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({
      path: `${FOLDER}/${path.slice(source.length + 1).replaceAll('\\', '/')}`,
      data: readFileSync(path),
    }));
  return [
    ...files,
    { path: `${FOLDER}/VERSION`, data: Buffer.from(`${version}\n`) },
    { path: `${FOLDER}/LICENSE`, data: readFileSync(join(root, 'LICENSE')) },
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A POSIX ustar archive, compressed. */
export function tarGz(files: readonly PackedFile[]): Buffer {
  const blocks = files.flatMap(({ path, data }) => [
    tarHeader(path, data.length),
    data,
    Buffer.alloc((512 - (data.length % 512)) % 512),
  ]);
  const packed = gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 9 });
  packed[9] = 255; // The system that packed: unknown.
  return packed;
}

function tarHeader(path: string, size: number): Buffer {
  // A long path has its folders, or some of them, in a field of their own.
  const cut = path.length > 100 ? path.indexOf('/', path.length - 101) : -1;
  const header = Buffer.alloc(512);
  const number = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(path.slice(cut + 1), 0);
  header.write(number(MODE, 7), 100);
  header.write(number(0, 7), 108);
  header.write(number(0, 7), 116);
  header.write(number(size, 11), 124);
  header.write(number(TIME_S, 11), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  if (cut > 0) header.write(path.slice(0, cut), 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** A ZIP archive (APPNOTE 6.3), deflated, without 64-bit fields. */
export function zip(files: readonly PackedFile[]): Buffer {
  const entries: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { path, data } of files) {
    const name = Buffer.from(path);
    const packed = deflateRawSync(data, { level: 9 });
    const common = zipFields(crc32(data), packed.length, data.length, name.length);
    const local = Buffer.concat([Buffer.from([0x50, 0x4b, 3, 4]), common, name, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100000 | MODE) * 65_536, 6); // Unix: a plain file
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from([0x50, 0x4b, 1, 2, 20, 3]), common, tail, name]));
    entries.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...entries, central, end]);
}

/** What a file's own header and its entry in the directory share: from the version needed to the extra field's length. */
function zipFields(crc: number, packed: number, size: number, name: number): Buffer {
  const at = new Date(TIME_S * 1000);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(0x0800, 2); // Names are UTF-8.
  fields.writeUInt16LE(8, 4);
  fields.writeUInt16LE(0, 6);
  fields.writeUInt16LE(
    ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    8,
  );
  fields.writeUInt32LE(crc, 10);
  fields.writeUInt32LE(packed, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(name, 22);
  return fields;
}
