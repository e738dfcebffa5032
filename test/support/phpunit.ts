/** Runs PHPUnit on lhc/test/unit, on the double of LHC, with a private MariaDB. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SaxesParser } from 'saxes';
import type { MariaDb } from './mariadb.ts';

const ROOT = join(import.meta.dirname, '../..');
/** A safety: a test of PHP that hangs must not hang everything. */
const RUN_DEADLINE_MS = 600_000;

/** One test of PHPUnit. */
export interface PhpTest {
  /** `Class::test`, without the namespace. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Why it failed. */
  readonly text: string;
}

export interface PhpUnitRun {
  readonly tests: readonly PhpTest[];
  /** 0 when all is well. */
  readonly code: number | null;
  readonly output: string;
}

/**
 * The environment of a PHP process of the tests (lhc/test/connect.php).
 * @param lhc the folder `lhc_web` of an LHC; '' for its double
 */
export const phpEnvironment = ({ port }: MariaDb, lhc = ''): Record<string, string> => {
  const { PATH = '' } = process.env;
  return { PATH, LHC_DIR: lhc, LHC_TEST_DB_PORT: String(port) };
};

/** @param xml PHPUnit's log in JUnit's form */
export function readJUnit(xml: string): PhpTest[] {
  const tests: PhpTest[] = [];
  let open: { name: string; outcome: PhpTest['outcome']; text: string } | null = null;
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => {
    if (name === 'testcase') {
      const { class: type = '', name: test = '' } = attributes;
      open = { name: `${type.split('\\').at(-1)}::${test}`, outcome: 'passed', text: '' };
    } else if (open && name === 'skipped') {
      open.outcome = 'skipped';
    } else if (open && ['failure', 'error', 'warning'].includes(name)) {
      open.outcome = 'failed';
    }
  });
  const take = (text: string) => {
    if (open) open.text += text;
  };
  parser.on('text', take);
  parser.on('cdata', take);
  parser.on('closetag', ({ name }) => {
    if (name !== 'testcase' || !open) return;
    tests.push({ ...open, text: open.text.trim() });
    open = null;
  });
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(xml).close();
  return tests;
}

/**
 * @param args further arguments of PHPUnit
 * @param lhc the folder `lhc_web` of an LHC; '' for its double
 */
export async function runPhpUnit(
  db: MariaDb,
  args: readonly string[],
  lhc = '',
): Promise<PhpUnitRun> {
  const log = join(db.folder, 'junit.xml');
  const child = spawn('phpunit', ['--configuration', 'lhc', '--log-junit', log, ...args], {
    cwd: ROOT,
    env: phpEnvironment(db, lhc),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_DEADLINE_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  const take = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const [code] = await once(child, 'close').catch((error: unknown) => {
    throw new Error('phpunit cannot be started: sh scripts/install-php.sh', { cause: error });
  });
  const xml = await readFile(log, 'utf8').catch(() => '');
  // A PHP that died has written no log, or half of one.
  const tests = xml.endsWith('</testsuites>\n') ? readJUnit(xml) : [];
  return { tests, code, output };
}
