/** What holds for every PHP file of lhc/. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const LINES_MAX = 300;
const LINES_OF_A_TEST_MAX = 500;

const files = globSync('lhc/**/*.php', { cwd: ROOT }).sort();
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** Templates are compiled into LHC's own files, so they cannot declare anything. */
const isTemplate = (file: string): boolean => file.endsWith('.tpl.php');
const code = files.filter((file) => !isTemplate(file));

/** The class that a file must have by PSR-4, with its namespace; null for a file that needs none. */
function classOf(file: string): string | null {
  const psr4 = /^lhc\/(?:xmppchat\/classes|test)\/((?:[A-Z]\w*\/)*[A-Z]\w*)\.php$/.exec(file);
  const name = psr4?.[1]?.replaceAll('/', '\\');
  if (name) return `XmppChat\\Lhc\\${file.startsWith('lhc/test/') ? 'Test\\' : ''}${name}`;
  return /^lhc\/test\/double\/(\w+)\.php$/.exec(file)?.[1] ?? null;
}

function declares(source: string): string {
  const space = /^namespace ([\w\\]+);$/m.exec(source)?.[1];
  const name = /^(?:(?:final|abstract|readonly) )*(?:class|interface|trait|enum) (\w+)/m.exec(
    source,
  )?.[1];
  return space ? `${space}\\${name}` : `${name}`;
}

it('parses', async () => {
  expect(files.length).toBeGreaterThan(20);
  // One process compiles them all; nothing of them is run.
  const program =
    'foreach (array_slice($argv, 1) as $file) if (!opcache_compile_file($file)) exit(1);';
  const php = ['-d', 'opcache.enable_cli=1', '-d', 'display_errors=stderr', '-r', program, '--'];
  await run('php', [...php, ...files], { cwd: ROOT });
});

it('declares strict types', () => {
  expect(code.filter((file) => !/^declare\(strict_types=1\);$/m.test(read(file)))).toEqual([]);
});

it('has the class that its path names', () => {
  const wrong = code.filter((file) => {
    const expected = classOf(file);
    return expected !== null && declares(read(file)) !== expected;
  });
  expect(wrong).toEqual([]);
});

it('is short', () => {
  const most = (file: string): number =>
    file.startsWith('lhc/test/unit/') ? LINES_OF_A_TEST_MAX : LINES_MAX;
  expect(files.filter((file) => read(file).split('\n').length > most(file))).toEqual([]);
});
