/** For which facts the attempts to show a visitor are written down. */
import { beforeEach, expect, it } from 'vitest';
import {
  type Attempts,
  createAttempts,
  MAX_FACTS_SERVED,
} from '../../../src/reactors/visitors/attempts.ts';
import type { AttemptEntry } from '../../../src/runtime/journal/entries.ts';
import { tenantId, visitorKey } from '../../support/names.ts';

const visitor = { tenant: tenantId('acme'), key: visitorKey('1') };
let attempts: Attempts;
let written: AttemptEntry[];
beforeEach(() => {
  written = [];
  attempts = createAttempts({
    actors: {
      visitor: () => {
        throw new Error('the log is away');
      },
    },
    journal: { record: (entry) => void (entry.kind === 'attempt' && written.push(entry)) },
    wallClock: () => 0,
    now: () => 0,
  });
});

async function revisionsOfNext(): Promise<readonly number[]> {
  const running = attempts.begin(visitor);
  await running.step('log in', async () => {});
  await running.succeeded();
  return written.splice(0).map(({ revision }) => revision);
}
const many = Array.from({ length: MAX_FACTS_SERVED + 3 }, (_, n) => n);

it('the first facts that wait, no more than the bound, each once', async () => {
  for (const revision of many) attempts.serves(visitor, revision, false);
  expect(await revisionsOfNext()).toEqual(many.slice(0, MAX_FACTS_SERVED));
  expect(await revisionsOfNext()).toEqual([]);
});

it('one page view, and only if nothing else waits', async () => {
  for (const revision of many) attempts.serves(visitor, revision, true);
  expect(await revisionsOfNext()).toEqual([0]);
  attempts.serves(visitor, 7, false);
  attempts.serves(visitor, 8, true);
  attempts.serves(visitor, 9, false);
  expect(await revisionsOfNext()).toEqual([7, 9]);
});

it('what a failed attempt served, before what came meanwhile', async () => {
  attempts.serves(visitor, 1, false);
  const running = attempts.begin(visitor);
  for (const revision of many) attempts.serves(visitor, 10 + revision, false);
  await running.failed(new Error('ejabberd is away'), 1);
  written = [];
  expect(await revisionsOfNext()).toEqual([1, 10, 11, 12]);
});

it('nothing of a visitor whom another process has now', async () => {
  attempts.serves(visitor, 1, false);
  attempts.forget((id) => id === 'acme.1');
  expect(await revisionsOfNext()).toEqual([]);
});
