/** ejabberd restarts, and all operators vanish at once. Each chat stays with its operator for `ownerGrace`. */
import { setTimeout as pace } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Operator } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import { sceneOf } from './routing-scene.ts';

const CHATS = 20;
const OPERATORS = ['ada', 'ben', 'cleo', 'dan', 'eve'];
/** Operators come back one after the other. */
const RETURN_EVERY_MS = 700;

const world = await testWorld({
  tenants: [{ id: 'acme', host: 'acme.test', settings: { offerTimeout: 120, ownerGrace: 120 } }],
});
const acme = world.tenant('acme');
const scene = sceneOf(world, acme);
const { ejabberd } = world;

/** The facts about who has the chat. */
const placement = async (visitor: string) =>
  (await scene.facts(visitor)).flatMap(({ type, data: { operator, operators, reason } }) =>
    ['ChatAssigned', 'ChatUnassigned', 'ChatTransferred', 'ChatOffered'].includes(type)
      ? [`${visitor} ${type} ${operator ?? operators} ${reason}`]
      : [],
  );

it.each(['in order', 'by a kill'])(
  'ejabberd ends %s: chats stay with their operators, those too that are offered and answered late',
  async (how) => {
    const name = (n: number) => `${how === 'in order' ? 'o' : 'k'}${n}`;
    const visitors = Array.from({ length: CHATS }, (_, n) => name(n));
    const sessions = new Map<string, Operator>();
    for (const each of OPERATORS) {
      await acme.register(each, { departments: ['sales'], capacity: 10 });
      sessions.set(each, await acme.connect(each));
      await acme.operatorIs(each, 'available');
    }
    for (const visitor of visitors) {
      await acme.view(visitor, { page: 'https://shop.test/' });
      await scene.start(visitor, 'sales', 'Hello');
    }
    const owners = new Map<string, string>();
    for (const visitor of visitors) owners.set(visitor, (await scene.pick(visitor)).operator);
    const sessionOf = (visitor: string): Operator => {
      const session = sessions.get(owners.get(visitor) ?? '');
      if (!session) throw new Error(`${visitor} has no operator`);
      return session;
    };
    for (const visitor of visitors) await scene.waitForText(sessionOf(visitor), visitor, 'Hello');
    // Every second chat is answered before, the others after the restart.
    for (const [n, visitor] of visitors.entries()) {
      if (n % 2 === 0) await scene.answer(sessionOf(visitor), visitor);
    }
    const before = await Promise.all(visitors.map(placement));

    if (how === 'in order') await ejabberd.stop();
    else await ejabberd.kill();
    await ejabberd.start();
    for (const each of OPERATORS) {
      sessions.set(each, await acme.connect(each));
      await acme.operatorIs(each, 'available');
      await pace(RETURN_EVERY_MS);
    }
    for (const [n, visitor] of visitors.entries()) {
      if (n % 2 !== 0) await sessionOf(visitor).sendAndAck(acme.visitorJid(visitor), 'Hi!');
    }
    await waitFor(
      async () => {
        const facts = await Promise.all(visitors.map(scene.facts));
        expect(await Promise.all(visitors.map(placement))).toEqual(before);
        return facts.every((each) => each.some(({ type }) => type === 'ChatAccepted'));
      },
      { what: 'all chats to be answered' },
    );
    for (const visitor of visitors) await scene.close(visitor);
    for (const session of sessions.values()) await session.disconnect();
  },
);
