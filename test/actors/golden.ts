/**
 * Golden files, and the one explicit way to write them. `golden/history-*.json` is the record of compatibility from 0.1.0
 * on: its facts are those that 0.1.0 stored, and every later version must fold them. Never record those facts anew. A
 * later fact gets a history of its own. `golden/matrix-*.json` says what each command does in each state of today.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const pathOf = (name: string): string =>
  fileURLToPath(new URL(`./golden/${name}.json`, import.meta.url));

/** Whether the golden files are to be written: `UPDATE_GOLDEN=1 npx vitest run test/actors`. Never in CI. */
export function updating(): boolean {
  if (process.env.UPDATE_GOLDEN !== '1') return false;
  // CI=false and CI=0 are what people set to say that it is none.
  if (!['', '0', 'false', undefined].includes(process.env.CI)) {
    throw new Error('UPDATE_GOLDEN in CI: golden files are changed by a person who reads the diff');
  }
  return true;
}

/** The content of a golden file; null when there is none yet. */
export const readGolden = (name: string): unknown =>
  existsSync(pathOf(name)) ? JSON.parse(readFileSync(pathOf(name), 'utf8')) : null;

/** The names of all golden files. */
export const goldenNames = (): string[] =>
  readdirSync(new URL('./golden/', import.meta.url)).map((file) => file.replace(/\.json$/, ''));

export const writeGolden = (name: string, text: string): void => {
  writeFileSync(pathOf(name), text);
};

/** JSON with one line for each entry down to a depth, so that a diff names what changed. */
export function linesOf(value: unknown, depth: number, indent = ''): string {
  const entries =
    Array.isArray(value) && value.length > 0
      ? value.map((item) => ['', item] as const)
      : value !== null && typeof value === 'object' && Object.keys(value).length > 0
        ? Object.entries(value).map(([key, item]) => [`${JSON.stringify(key)}: `, item] as const)
        : null;
  if (depth === 0 || !entries) return JSON.stringify(value);
  const inner = `${indent}  `;
  const lines = entries.map(([key, item]) => `${inner}${key}${linesOf(item, depth - 1, inner)}`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}
