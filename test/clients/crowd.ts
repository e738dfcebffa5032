/** What a login costs when many visitors are on the site: what the client fetches, and when it can be used. */
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../support/wait.ts';
import type { Stage } from './play.ts';
import { SALES } from './rig.ts';
import { kindsOf } from './stanza-log.ts';

/** Of each step. */
const DEADLINE_MS = 200_000;
/** Until a client has fetched what it wants, and has saved it. */
const QUIET_MS = 8_000;
/** Requests at the same time. */
const AT_ONCE = 10;

export interface Cost {
  /** Stanzas until then, the most frequent first; and those of a second login with the same profile. */
  readonly sent: readonly (readonly [kind: string, count: number])[];
  readonly received: readonly (readonly [kind: string, count: number])[];
  readonly sentAgain: readonly (readonly [kind: string, count: number])[];
  /** What the operator was to others meanwhile, each value once. */
  readonly availability: readonly string[];
}

/**
 * Brings the visitors, then starts the client, then plays one chat.
 * @param say told of each step, and how many seconds after the start of the client it was
 */
export async function crowd(
  { rig: { world, tenant }, client }: Stage,
  count: number,
  say: (line: string) => void,
): Promise<Cost> {
  const keys = Array.from({ length: count }, (_, n) => `crowd${n + 1}`);
  for (let from = 0; from < count; from += AT_ONCE) {
    await Promise.all(
      keys.slice(from, from + AT_ONCE).map((key, n) =>
        tenant.view(key, {
          page: `https://shop.test/shoes/${from + n}`,
          title: 'Shoes',
          nick: `Visitor ${from + n + 1}`,
        }),
      ),
    );
  }
  await world.idle();
  const started = performance.now();
  const step = (what: string) => {
    say(`${Math.round((performance.now() - started) / 100) / 10} s: ${what}`);
  };
  const availability = new Set<string>();
  const watching = setInterval(() => {
    tenant.ask('GET', '/operators/olga').then(
      (operator) => availability.add(operator.availability),
      () => undefined, // the next one will tell
    );
  }, 500);
  const wait = (what: string, condition: () => Promise<boolean>) =>
    waitFor(condition, { deadlineMs: DEADLINE_MS, every: 500, what });
  const everybody = () =>
    wait('the presence of each visitor', async () => {
      const { received } = await client.stanzas();
      const there = received
        .filter((each) => each.startsWith('<presence'))
        .flatMap((each) => /crowd\d+@/.exec(each)?.[0] ?? []);
      return new Set(there).size >= count;
    });
  try {
    await client.start();
    step('logged in');
    await everybody();
    step('every visitor is there');
    const key = keys[count - 1] ?? '';
    const message = { id: 'm1', body: 'Is anybody there?' };
    await tenant.ask('POST', `/visitors/${key}/chats`, {
      chatId: 'c1',
      department: SALES,
      message,
    });
    const jid = tenant.visitorJid(key);
    await wait('the chat', async () =>
      (await client.messages(jid)).some((text) => text.includes(message.body)),
    );
    step('a new chat is shown');
    await client.write(jid, 'Yes, I am.');
    await tenant.callback(
      'chat.message',
      (data) => data.message.body === 'Yes, I am.',
      DEADLINE_MS,
    );
    step('it is answered');
  } finally {
    clearInterval(watching);
  }
  await delay(QUIET_MS);
  const first = await client.stanzas();
  await client.kill();
  await client.start();
  await everybody();
  await delay(QUIET_MS);
  const again = await client.stanzas();
  return {
    sent: kindsOf(first.sent),
    received: kindsOf(first.received),
    sentAgain: kindsOf(again.sent),
    availability: [...availability],
  };
}
