/** What README.md and docs/operations.md name is there. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = ['README.md', 'docs/operations.md'].map(read).join('\n');
const sources = globSync('src/**/*.ts', { cwd: root }).map(read).join('\n');
const named = (pattern: RegExp): string[] => [
  ...new Set([...documents.matchAll(pattern)].map(([, name]) => name ?? '')),
];

it('every metric', () => {
  const metrics = named(/\b(xmpp_chat_[a-z_]+)/g).map((name) => name.replace(/_count$/, ''));
  expect(metrics.length).toBeGreaterThan(15);
  expect(metrics.filter((name) => !sources.includes(name))).toEqual([]);
});

it('every command of the command line', () => {
  const commands = named(/xmpp-chat ([a-z][a-z-]*)/g);
  expect(commands).toEqual(expect.arrayContaining(['backup', 'doctor', 'restore']));
  const made = [...sources.matchAll(/(?:new Command|\.command)\('([a-z-]+)/g)].map(
    ([, name]) => name,
  );
  expect(commands.filter((name) => !made.includes(name))).toEqual([]);
});

it('and all settings that there are are told', () => {
  const [, table = ''] =
    /\| variable \| meaning \| default \|\n([\s\S]*?)\n\n/.exec(documents) ?? [];
  const told = [...table.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
  const [, schema = ''] =
    /const Environment = z\.object\(\{\n([\s\S]*?)\n\}\);/.exec(sources) ?? [];
  const known = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
  expect(known.length).toBeGreaterThan(10);
  expect(known.filter((name) => !told.includes(name))).toEqual([]);
});
