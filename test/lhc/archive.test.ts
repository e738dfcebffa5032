/** The package of the LHC extension: complete, nothing else in it, and the same bytes each time. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { filesOf, tarGz, zip } from '../../scripts/lhc/archive.ts';

const root = join(import.meta.dirname, '../..');
const files = filesOf(root, '1.2.3');

/** Name, time and content of each file, as `unzip` reads them: from the directory at the end. */
function unzipped(archive: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06'));
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [packed, nameLength] = [archive.readUInt32LE(at + 20), archive.readUInt16LE(at + 28)];
    const local = archive.readUInt32LE(at + 42);
    const data = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength);
    found.set(name, inflateRawSync(archive.subarray(data, data + packed)).toString());
    at += 46 + nameLength;
  }
  return found;
}

/** The same, as `tar` reads it. */
function untarred(archive: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  const tar = gunzipSync(archive);
  const text = (from: number, length: number) =>
    tar.toString('utf8', from, from + length).replace(/\0.*$/s, '');
  for (let at = 0; tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const folder = text(at + 345, 155);
    const name = `${folder === '' ? '' : `${folder}/`}${text(at, 100)}`;
    found.set(name, tar.toString('utf8', at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

describe('the package of the LHC extension', () => {
  const wanted = new Map(
    globSync('**/*', { cwd: join(root, 'lhc/xmppchat'), withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(join(root, 'lhc').length + 1), readFileSync(path, 'utf8')]),
  );
  wanted.set('xmppchat/VERSION', '1.2.3\n');
  wanted.set('xmppchat/LICENSE', readFileSync(join(root, 'LICENSE'), 'utf8'));

  it.each([
    ['zip', unzipped(zip(files))],
    ['tar.gz', untarred(tarGz(files))],
  ])('has the extension, its version and nothing else, as %s', (_, packed) => {
    expect([...packed.keys()].sort()).toEqual([...wanted.keys()].sort());
    expect(packed).toEqual(wanted);
    expect(packed.has('xmppchat/bootstrap/bootstrap.php')).toBe(true);
    expect([...packed.keys()].filter((path) => /\/test\/|\/\./.test(path))).toEqual([]);
  });

  it('is the same each time', () => {
    const again = filesOf(root, '1.2.3');
    expect(zip(again).equals(zip(files))).toBe(true);
    expect(tarGz(again).equals(tarGz(files))).toBe(true);
  });
});
