import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeFolder } from '../../src/kit/make-folder.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'folder-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

test('makes all missing folders, for the owner alone, and leaves existing ones', () => {
  const path = join(dir, 'a', 'b', 'c');
  makeFolder(path);
  makeFolder(path);
  for (const each of [path, join(dir, 'a')]) expect(statSync(each).mode & 0o777).toBe(0o700);
});

test('says why a folder cannot be made, and ends', () => {
  writeFileSync(join(dir, 'file'), '');
  expect(() => makeFolder(join(dir, 'file', 'x'))).toThrow(/ENOTDIR/);
  expect(() => makeFolder('/proc/none/x')).toThrow(/\/proc\/none/);
});
