/** The search, on a real log that real actors write to. */
import { randomUUIDv7 } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TenantId } from '../../src/actors/ids.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { FoundItem } from '../../src/projections/search-hits.ts';
import type { SearchFilter } from '../../src/projections/search-queries.ts';
import { visitorCommand } from '../actors/arbitraries.ts';
import { username } from '../support/names.ts';
import { waitFor } from '../support/wait.ts';
import { delays } from './chat-scene.ts';
import { type Following, type Log, openTestLog } from './log.ts';

const BETA = TenantId.parse('beta');

let log: Log;
let live: Following;
beforeEach(async () => {
  log = await openTestLog();
  live = log.follow('live.db');
});
afterEach(() => log.close());

let messages = 0;
const says = (body: string): VisitorCommand => {
  messages += 1;
  return { type: 'SendMessage', messageId: `m${messages}`, chatId: null, body };
};
const starts = (chatId: string, nick?: string): VisitorCommand => ({
  type: 'StartChat',
  chatId,
  department: null,
  delays,
  ...(nick !== undefined && { nick }),
});
const view = (profile: { page: string; title?: string; nick?: string; country?: string }) =>
  ({ type: 'ViewPage', digest: profile.page, department: null, delays, profile }) as const;

async function happens(visitor: string, ...commands: Parameters<Log['visitor']>[1][]) {
  for (const command of commands) {
    await log.visitor(visitor, command);
    log.passes(1000);
  }
  await live.projections.waitFor(await log.head(), 5000);
}

async function all(filter: Partial<SearchFilter> & { readonly q: string }, of = live) {
  const found: FoundItem[] = [];
  let cursor: string | undefined;
  do {
    const page = await of.readModels.search.find({
      tenant: 'acme',
      in: 'messages',
      limit: 50,
      ...filter,
      cursor,
    });
    found.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return found;
}
const texts = async (filter: Partial<SearchFilter> & { readonly q: string }) =>
  (await all(filter)).map(({ found }) => found.map(({ text }) => text).join(' | '));

const close = (chatId: string): VisitorCommand => ({
  type: 'CloseChat',
  chatId,
  by: 'visitor',
  reason: null,
});

/** All that the files of the read models have, with their write-ahead logs. */
const bytesOfFiles = (): string =>
  readdirSync(log.folder)
    .filter((name) => name.startsWith('live.db'))
    .map((name) => readFileSync(join(log.folder, name), 'latin1'))
    .join('\n');

/** The words that the file has, whether anybody finds them or not. */
function wordsInFile(file = 'live.db', of = live): string[] {
  const { current } = of.projections.builds();
  const db = new DatabaseSync(join(log.folder, `${file}.${current?.number}`), { readOnly: true });
  try {
    db.exec('CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, search_words, row)');
    return db
      .prepare('SELECT term FROM vocabulary')
      .all()
      .map(({ term }) => String(term).replace(/^.*·/, ''));
  } finally {
    db.close();
  }
}
const waitForWords = (words: readonly string[]) =>
  waitFor(() => words.toSorted().join() === [...new Set(wordsInFile())].toSorted().join(), {
    what: `the words of the file: ${words}`,
  });

describe('messages', () => {
  test('are found by their words, the newest first, with who wrote them and when', async () => {
    await happens('7', starts('c1'), says('Do you have RED shoes?'));
    await happens('7', {
      type: 'AssignChat',
      chatId: 'c1',
      operator: username('olga'),
      reservation: null,
      reason: 'least-loaded',
    });
    const at = log.now();
    await happens('7', {
      type: 'ReceiveOperatorMessage',
      operator: username('olga'),
      messageId: 'o1',
      body: 'Of course: réd shoes in all sizes',
    });
    const [answer, question, ...others] = await all({ q: 'red sho' });
    expect(others).toEqual([]);
    expect(answer).toEqual({
      kind: 'message',
      visitor: '7',
      revision: expect.any(Number),
      id: 'o1',
      chatId: 'c1',
      direction: 'operator',
      messageKind: 'chat',
      operator: 'olga',
      inLhc: null,
      at,
      found: [
        {
          field: 'body',
          text: 'Of course: réd shoes in all sizes',
          hits: [
            { start: 11, end: 14 },
            { start: 15, end: 20 },
          ],
        },
      ],
    });
    expect(question).toMatchObject({ direction: 'visitor', chatId: 'c1' });
  });

  test('of another tenant are never found, whoever has more of them', async () => {
    for (let n = 0; n < 30; n += 1) {
      await log.visitor(`b${n}`, starts(`c${n}`), BETA);
      await log.visitor(`b${n}`, says('shoes of beta'), BETA);
    }
    await happens('7', starts('c1'), says('shoes of acme'));
    expect(await texts({ q: 'shoes' })).toEqual(['shoes of acme']);
    expect(await texts({ q: 'beta' })).toEqual([]);
    expect(await all({ q: 'shoes', tenant: 'beta', limit: 7 })).toHaveLength(30);
  });

  test('are paged without gap or repeat, also when the read models were built anew in between', async () => {
    await happens('7', starts('c1'), ...Array.from({ length: 9 }, (_, n) => says(`word ${n}`)));
    const wish = { tenant: 'acme', in: 'messages', q: 'word', limit: 4 } as const;
    const first = await live.readModels.search.find(wish);
    const cursor = first.next ?? '';
    const bodies = (items: readonly FoundItem[]) => items.map(({ found }) => found[0]?.text);
    expect(bodies(first.items)).toEqual(['word 8', 'word 7', 'word 6', 'word 5']);
    const second = await live.readModels.search.find({ ...wish, cursor });
    expect(bodies(second.items)).toEqual(['word 4', 'word 3', 'word 2', 'word 1']);
    const third = await live.readModels.search.find({ ...wish, cursor: second.next ?? '' });
    expect([bodies(third.items), third.next]).toEqual([['word 0'], null]);
    // Built from a log that has fewer facts, each document has another number.
    await log.store.deleteStream('key-acme.7x');
    await log.store.truncateBefore('visitor-acme.7', 3);
    const fresh = await log.caughtUp('fresh.db');
    const same = await fresh.readModels.search.find({ ...wish, cursor });
    expect(bodies(same.items)).toEqual(['word 4', 'word 3', 'word 2', 'word 1']);
  });

  test('a question is never syntax', async () => {
    await happens('7', starts('c1'), says('plain NOT words "quoted" OR NEAR(x) body:secret * ^'));
    const questions = [
      '"',
      '"quoted',
      'NOT words',
      'plain OR',
      'x) OR (',
      'body:secret',
      '*',
      '^',
      "'; DROP TABLE messages; --",
    ];
    for (const q of questions) {
      const items = await all({ q });
      expect([q, items.length]).toEqual([q, /[a-z]/i.test(q) && !q.includes('DROP') ? 1 : 0]);
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (q) => {
        await live.readModels.search.find({ tenant: 'acme', in: 'messages', q, limit: 5 });
      }),
    );
  });
});

describe('visitors', () => {
  test('are found by the page that they see now, and when they have left by what was known last', async () => {
    await happens('anna', view({ page: '/shoes', nick: 'Zoë Müller', country: 'Schweiz' }));
    await happens('bert', view({ page: '/hats', title: 'Hüte' }));
    const found = async (q: string) =>
      (await all({ q, in: 'visitors' })).map((item) => [item.kind, item.visitor]);
    expect(await found('zoe')).toEqual([['visitor', 'anna']]);
    expect(await found('muller schweiz')).toEqual([['visitor', 'anna']]);
    expect(await found('ber')).toEqual([['visitor', 'bert']]); // by their key
    expect(await found('hute')).toEqual([['visitor', 'bert']]);
    await happens('anna', view({ page: '/hats' }));
    expect(await found('shoes')).toEqual([]);
    expect(await found('hats')).toEqual([
      ['visitor', 'bert'],
      ['visitor', 'anna'],
    ]);
    log.passes(delays.hardTimeout);
    await happens('anna', { type: 'Wake' });
    expect(await found('hats')).toEqual([
      ['visitor', 'bert'],
      ['visitor', 'anna'],
    ]);
    const [anna] = await all({ q: 'zoe', in: 'visitors' });
    expect(anna).toMatchObject({
      kind: 'visitor',
      presence: 'timedOut',
      nick: 'Zoë Müller',
      found: [{ field: 'nick', text: 'Zoë Müller', hits: [{ start: 0, end: 3 }] }],
    });
    await happens('anna', view({ page: '/shoes' }));
    expect(await found('hats')).toEqual([['visitor', 'bert']]);
    expect(await found('shoes zoe')).toEqual([['visitor', 'anna']]);
  });

  test('are found after their clean-up by the names that they had in chats', async () => {
    await happens('anna', view({ page: '/' }), starts('c1', 'Zoë'), {
      type: 'CloseChat',
      chatId: 'c1',
      by: 'visitor',
      reason: null,
    });
    const before = log.now();
    log.passes(delays.hardTimeout);
    await happens('anna', { type: 'Wake' });
    log.passes(delays.cleanupAfter);
    await happens('anna', { type: 'Wake' });
    const items = await all({ q: 'zoe', in: 'visitors' });
    expect(items).toMatchObject([{ kind: 'chat', chatId: 'c1', nick: 'Zoë', visitor: 'anna' }]);
    expect(items[0]?.at).toBeLessThan(before);
  });

  test('are paged, those who arrived last first, also if they have left', async () => {
    for (let n = 0; n < 6; n += 1) await happens(`v${n}`, view({ page: '/shop' }));
    log.passes(delays.hardTimeout);
    for (const n of [1, 3, 5]) await happens(`v${n}`, { type: 'Wake' });
    const found = await all({ q: 'shop', in: 'visitors', limit: 2 });
    expect(found.map(({ visitor }) => visitor)).toEqual(['v5', 'v4', 'v3', 'v2', 'v1', 'v0']);
  });
});

describe('what is erased or over', () => {
  test('is not found at once, and its words leave the file', async () => {
    await happens('7', view({ page: '/', nick: 'Quentin' }), starts('c1'), says('secretword here'));
    await happens('8', starts('c2'), says('other words'));
    await waitForWords(['secretword', 'here', 'other', 'words']);
    await log.visitor('7', { type: 'ErasePersonalData' });
    await live.projections.waitFor(await log.head(), 5000);
    expect(await all({ q: 'secretword' })).toEqual([]);
    expect(await all({ q: 'quentin', in: 'visitors' })).toEqual([]);
    await waitForWords(['other', 'words']);
    await waitFor(() => !bytesOfFiles().includes('secretword'), { what: 'no byte of it' });
    expect(bytesOfFiles()).toContain('other');
  });

  test('of an ended history leaves the file; what came behind it stays', async () => {
    await happens('7', starts('c1', 'Quentin'), says('first history'));
    const messageIds = [`m${messages}`];
    await happens('7', { type: 'ReportMessageDelivered', messageIds, by: 'ping' }, close('c1'));
    log.passes(delays.hardTimeout);
    await happens('7', { type: 'Wake' });
    log.passes(delays.cleanupAfter);
    await happens('7', { type: 'Wake' });
    const [end] = await log.store.readStream('visitor-acme.7', {
      direction: 'backwards',
      limit: 1,
    });
    await happens('7', starts('c2'), says('second history'), close('c2'));
    await happens('7', { type: 'ApplyRetention', before: end?.revision ?? 0 });
    expect(await texts({ q: 'history' })).toEqual(['second history']);
    expect(await all({ q: 'quentin', in: 'visitors' })).toEqual([]);
    await waitForWords(['second', 'history']);
  });

  test('of a removed tenant leaves the file', async () => {
    await happens('7', starts('c1'), says('ours'));
    for (let n = 0; n < 50; n += 1) {
      await log.visitor(`b${n}`, starts(`c${n}`), BETA);
      await log.visitor(`b${n}`, says(`theirs ${n}`), BETA);
    }
    await log.store.append('tenant-beta', [removal('beta')], 'any');
    await live.projections.waitFor(await log.head(), 5000);
    expect(await all({ q: 'theirs', tenant: 'beta' })).toEqual([]);
    await waitForWords(['ours']);
  });
});

const removal = (tenant: string) => ({
  id: randomUUIDv7(),
  type: 'TenantRemoved',
  schemaVersion: 1,
  data: { purged: true },
  personal: null,
  metadata: {
    tenant,
    at: log.now(),
    commandId: 'c',
    correlationId: 'c',
    causationId: 'c',
    machine: 'tenant/1',
  },
});

test('a search finds the same whether the rows grew live or were built anew, after any history', async () => {
  const words = ['alpha', 'beta', 'gamma'];
  let n = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(visitorCommand, { maxLength: 40 }), async (commands) => {
      n += 1;
      await log.visitor(`h${n}`, view({ page: `/${words[n % 3]}`, nick: `${words[(n + 1) % 3]}` }));
      for (const command of commands) {
        await log.visitor(`h${n}`, command);
        log.passes(1000);
      }
    }),
    { numRuns: 30 },
  );
  await live.projections.waitFor(await log.head(), 5000);
  const fresh = await log.caughtUp('fresh.db');
  for (const q of [...words, 'h', 'a', 'm', 'c', 'x', 'hello', 'n']) {
    for (const kind of ['messages', 'visitors'] as const) {
      expect(await all({ q, in: kind }, fresh)).toEqual(await all({ q, in: kind }));
    }
  }
  await waitFor(
    () => wordsInFile('fresh.db', fresh).toSorted().join() === wordsInFile().toSorted().join(),
    { what: 'the same words' },
  );
});
