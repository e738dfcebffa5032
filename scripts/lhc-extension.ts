/** `make lhc-extension`: packs the extension for LHC into `dist/`, as `.zip` and `.tar.gz`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { filesOf, tarGz, zip } from './lhc/archive.ts';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'dist');
const files = filesOf(root, packageJson.version);
mkdirSync(folder, { recursive: true });
for (const [ending, pack] of [
  ['zip', zip],
  ['tar.gz', tarGz],
] as const) {
  const path = join(folder, `xmppchat-${packageJson.version}.${ending}`);
  writeFileSync(path, pack(files));
  console.log(relative(process.cwd(), path));
}
