/**
 * The service, LHC's database and PHP-FPM are killed (kill -9) in the middle of messages both ways. What is in LHC's rows is
 * what the operator's client got, and what ejabberd acknowledged to the operator is in the rows: each once, in order.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Chat, Visitor } from '../../scripts/lhc/visitor.ts';
import { waitFor } from '../support/wait.ts';
import { testInstallation } from './installation.ts';

const VISITORS = 3;
const MESSAGES = 40;
/** Between two messages of one, so that the kills fall into the middle. */
const PACE_MS = 150;
/** After the last start everything waits for its next try: a minute at most, on a busy machine. */
const SETTLED_DEADLINE_MS = 180_000;

const site = await testInstallation({ workers: 6 });
const { lhc, world } = site;
const olga = await site.connect('olga');
const olgaId = lhc.operator('olga').id;

interface Talk {
  readonly visitor: Visitor;
  readonly chat: Chat;
  readonly jid: string;
}

async function talk(name: string): Promise<Talk> {
  const visitor = site.visitor();
  await visitor.view(`https://shop.example/${name}`, name);
  const jid = await site.jidOf(visitor);
  const chat = await visitor.start(`${name} v0`, { name });
  await olga.waitFor(() => olga.messages.some(({ body }) => body === `${name} v0`), name);
  await olga.sendAndAck(jid, `${name} o0`);
  await site.row('SELECT id FROM lh_chat WHERE id = ? AND status = 1', [chat.id], name);
  return { visitor, chat, jid };
}

/** The rows of one side, raw. */
async function rowsOf({ chat }: Talk, user: number): Promise<readonly string[]> {
  const rows = await lhc.sql(
    'SELECT msg FROM lh_msg WHERE chat_id = ? AND user_id = ? ORDER BY id',
    [chat.id, user],
  );
  return rows.map(({ msg }) => msg ?? '');
}
/** The visitor's words in the stanzas that the operator's client got, raw. */
const stanzasOf = ({ jid }: Talk): readonly string[] =>
  olga.stanzas
    .filter((each) => each.is('message') && each.attrs.from?.startsWith(`${jid}/`))
    .flatMap((each) => /^\S+ v\d+$/m.exec(each.getChildText('body') ?? '') ?? []);

it('nothing is lost, nothing doubled, the order kept', async () => {
  const talks: Talk[] = [];
  for (let n = 1; n <= VISITORS; n += 1) talks.push(await talk(`anna${n}`));

  /** What LHC took, as the widget knows it. An answer that fails leaves it open whether it did. */
  const taken = new Map<Talk, string[]>();
  async function write(own: Talk, name: string): Promise<void> {
    const texts: string[] = [];
    taken.set(own, texts);
    for (let n = 1; n <= MESSAGES; n += 1) {
      const text = `${name} v${n}`;
      const answer = await own.visitor.write(text).catch(() => null);
      if (answer?.status === 200 && answer.json && !answer.json.error) texts.push(text);
      await delay(PACE_MS);
    }
  }
  async function reply(own: Talk, name: string): Promise<void> {
    for (let n = 1; n <= MESSAGES; n += 1) {
      await olga.sendAndAck(own.jid, `${name} o${n}`);
      await delay(PACE_MS);
    }
  }
  async function kills(): Promise<void> {
    for (const what of [
      world.service,
      lhc.fpm,
      lhc.database,
      world.service,
      lhc.database,
      lhc.fpm,
    ]) {
      await delay(4 * PACE_MS);
      await what.kill();
      await delay(2 * PACE_MS);
      await what.start();
    }
  }
  await Promise.all([
    ...talks.flatMap((own, index) => [
      write(own, `anna${index + 1}`),
      reply(own, `anna${index + 1}`),
    ]),
    kills(),
  ]);

  for (const [index, own] of talks.entries()) {
    const expected = Array.from({ length: MESSAGES + 1 }, (_, n) => `anna${index + 1} o${n}`);
    let last: readonly string[] = [];
    await waitFor(
      async () => {
        last = await rowsOf(own, olgaId);
        return last.length >= expected.length;
      },
      {
        deadlineMs: SETTLED_DEADLINE_MS,
        what: () => `the operator's ${expected.length} messages; LHC has ${last.join(', ')}`,
      },
    );
    const rows = await rowsOf(own, 0);
    await waitFor(() => stanzasOf(own).length >= rows.length, {
      deadlineMs: SETTLED_DEADLINE_MS,
      what: () =>
        `the visitor's ${rows.length} messages; the operator has ${stanzasOf(own).join(', ')}`,
    });
  }
  await site.drained();
  await world.idle();
  for (const [index, own] of talks.entries()) {
    const name = `anna${index + 1}`;
    const rows = await rowsOf(own, 0);
    expect(stanzasOf(own)).toEqual(rows);
    expect(rows).toEqual([...new Set(rows)]);
    expect(rows).toEqual(expect.arrayContaining(taken.get(own) ?? []));
    expect(await rowsOf(own, olgaId)).toEqual(
      Array.from({ length: MESSAGES + 1 }, (_, n) => `${name} o${n}`),
    );
    // More than half of them were written while nothing was away.
    expect(rows.length).toBeGreaterThan(MESSAGES / 2);
  }
});
