/** The `.env` file: its settings, and what in it is silently without effect otherwise. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf } from '../errors.ts';
import { textOfFile } from '../kit/text-file.ts';

export interface EnvFile {
  readonly settings: Readonly<Record<string, string>>;
  /** For a person. They quote no value. */
  readonly warnings: readonly string[];
}

/** One statement, as `parseEnv` reads it: a comment, an assignment whose quoted value may have several lines, or else. */
const STATEMENT =
  /^[^\S\n]*(?:#.*|(?:export[^\S\n]+)?(?<name>[^=\n#]+?)[^\S\n]*=[^\S\n]*(?<value>"[^"]*"|'[^']*'|`[^`]*`|[^\n]*).*|(?<other>\S.*))$/gm;

/** Node reads these at its start: in the file they come too late. */
const OF_NODE = /^(NODE_|TZ$)/;

/**
 * Reads the file, in UTF-8 or UTF-16, with any line ends.
 * @param environment variables that go before those of the file
 * @returns the reason if it cannot be read
 */
export function readEnvFile(path: string, environment: NodeJS.ProcessEnv): EnvFile | string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return `${path} cannot be read: ${messageOf(error)}`;
  }
  const decoded = textOfFile(bytes);
  if (decoded === null) return `${path} is not UTF-8: save it as UTF-8`;
  const text = decoded.replace(/\r\n?/g, '\n');
  // A text without "=" for a name has no value.
  const settings = parseEnv(text) as Record<string, string>;
  return {
    settings,
    warnings: [...warningsOf(text, environment)].map((what) => `${path}, ${what}`),
  };
}

function* warningsOf(text: string, environment: NodeJS.ProcessEnv): Iterable<string> {
  const names = new Set<string>();
  for (const { index, groups: { name, value = '', other } = {} } of text.matchAll(STATEMENT)) {
    const line = `line ${text.slice(0, index).split('\n').length}`;
    if (other !== undefined) yield `${line}: is no setting (NAME=VALUE), and was ignored`;
    if (name === undefined) continue;
    if (names.has(name)) yield `${line}: ${name} is there twice, and the last one counts`;
    names.add(name);
    if (/^[^"'`\s#][^#]*(?<!\s)#/.test(value)) {
      yield `${line}: ${name} ends before the #, where a comment begins: put the value in quotes`;
    }
    if (OF_NODE.test(name) && environment[name] === undefined) {
      yield `${line}: ${name} has no effect here: set it in the environment of the service`;
    }
  }
}
