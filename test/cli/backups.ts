/** Folders with a log and a secret, and the command line started on them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { EventStore, RecordedEvent } from '../../src/eventstore/port.ts';
import { openSqliteEventStore } from '../../src/eventstore/sqlite/store.ts';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { createVault } from '../../src/runtime/vault/vault.ts';
import { claimDataDir } from '../../src/service/data-dir.ts';
import { event } from '../eventstore/events.ts';
import { temporaryFolder } from '../support/folder.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
export const root = temporaryFolder('backup');
afterAll(() => rmSync(root, { recursive: true }));

/** Names of the service's caches and of SQLite's files next to them. */
export const CACHES = [
  'projections.db.1',
  'projections.db.2-wal',
  'work.db',
  'work.db-shm',
  'snapshots.db',
];

let folders = 0;
export const newFolder = (): string => {
  folders += 1;
  const path = join(root, String(folders));
  mkdirSync(path);
  return path;
};

export function start(dataDir: string, args: readonly string[], more: Record<string, string> = {}) {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: root,
    env: { PATH, NODE_COMPILE_CACHE, DATA_DIR: dataDir, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, output }));
  return { child, ended };
}
export const run = (dataDir: string, args: readonly string[], more: Record<string, string> = {}) =>
  start(dataDir, args, more).ended;

export const everything = async (path: string): Promise<RecordedEvent[]> => {
  const store = await openSqliteEventStore(path, { readOnly: true });
  try {
    const all: RecordedEvent[] = [];
    for (;;) {
      const after = all.at(-1)?.position;
      const page = await store.readAll({ limit: 5000, ...(after && { after }) });
      if (page.length === 0) return all;
      all.push(...page);
    }
  } finally {
    await store.close();
  }
};

/** A DATA_DIR of a service, with a log of so many events of some 1 kB, and one with personal data. */
export async function dataDirOf(count: number): Promise<{ dir: string; store: EventStore }> {
  const dir = join(newFolder(), 'data');
  const claimed = claimDataDir(dir, undefined);
  const store = await openSqliteEventStore(join(dir, 'events.db'));
  const { wrapping } = deriveSecrets(claimed.serviceSecrets);
  const vault = createVault({ store, wrapping, now: Date.now, newId: () => crypto.randomUUID() });
  const first = event(0);
  const stream = 'visitor-demo.anna';
  const personal = await vault.seal('demo.anna', { nick: 'Anna' }, { ...first, stream });
  await store.append(stream, [{ ...first, personal }], 'no-stream');
  for (let from = 1; from <= count; from += 500) {
    const batch = Array.from({ length: Math.min(500, count - from + 1) }, (_, i) =>
      event(from + i, { data: { text: 'x'.repeat(800) } }),
    );
    await store.append('visitor-demo.bulk', batch, 'any');
  }
  for (const name of CACHES) {
    writeFileSync(join(dir, name), `old ${name}`);
  }
  claimed.release();
  return { dir, store };
}
