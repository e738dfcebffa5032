/** A whole day of a real Live Helper Chat on the wire of existing installations, with the service killed in between. */
import { afterAll, expect, test } from 'vitest';
import { recorded } from '../lhc-wire/recording.ts';
import { recordedFor, replay, shownTo } from '../lhc-wire/replay.ts';
import { HOST, startWireSite } from '../lhc-wire/site.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const lines = recorded('day');
const site = await startWireSite();
const { lhc } = site;
afterAll(lhc.close);

const world = await testWorld({
  tenants: [{ id: 'acme', host: HOST, settings: site.settings('/xmppservice') }],
  modLhc: { ping_interval: 1 },
  environment: site.environment,
});

/**
 * Oskar writes into Olga's chat, and Olga into Oskar's: LHC ignored the second one and put both into the chat of somebody
 * else. Here they read whose chat it is.
 */
const REFUSED = [44, 67];
/** The service is killed before these lines: while a chat waits, in the middle of a chat, and in the night. */
const KILLED_BEFORE = [28, 47, 68, 120];

/** Who gets a chat from somebody else reads in the same message what the visitor has said and nobody has answered. */
const wordsOf = (expected: readonly string[]) => (words: string, index: number) => {
  const said = expected[index] ?? '';
  return words.endsWith(`\n${said}`) ? said : words;
};

test('the operators and LHC see what they saw with the old server, each once', async () => {
  const { operators } = await replay({
    lines,
    ports: site.ports,
    xmpp: world.ejabberd.xmpp,
    lhcOf: () => lhc,
    refused: REFUSED,
    again: [52],
    async before({ n }) {
      if (!KILLED_BEFORE.includes(n)) return;
      await world.service.kill();
      await world.service.start();
    },
  });

  for (const name of ['olga', 'oskar']) {
    const operator = operators.get(name);
    if (!operator) throw new Error(`${name} never came`);
    for (const visitor of ['7', '43.chat', '8', '46.chat', '45.chat']) {
      const jid = `visitor.${visitor}@${HOST}`;
      const expected = recordedFor(lines, `${name}@${HOST}`, jid);
      // Olga logs out at the end of the day.
      await waitFor(() => shownTo(operator, jid).length >= expected.length, {
        what: () =>
          `${name} to have ${JSON.stringify(expected)}, not ${JSON.stringify(shownTo(operator, jid))}`,
      });
      const shown = shownTo(operator, jid);
      expect(shown.map(wordsOf(expected)), `${name}, ${jid}`).toEqual(expected);
    }
  }

  const said = lines.flatMap((line) =>
    line.dir === 'ejabberd-to-lhc' && line.body.includes('type=chat') && !REFUSED.includes(line.n)
      ? [line.body]
      : [],
  );
  const passedOn = lhc.requests.filter(({ body }) => body.includes('type=chat'));
  expect(passedOn.map(({ body }) => body)).toEqual(said);
});

test('ejabberd has the accounts of those who are left', async () => {
  await world.idle();
  const accounts = await world.accounts(HOST);
  expect(accounts.filter((name) => !name.startsWith('visitor.')).sort()).toEqual([
    'olga',
    'oskar',
    'visitors', // the front desk
    world.ejabberd.api.user.split('@')[0],
  ]);
  expect(accounts.filter((name) => name.startsWith('visitor.')).sort()).toEqual([
    'visitor.45.chat',
    'visitor.46.chat',
    'visitor.9',
  ]);
});
