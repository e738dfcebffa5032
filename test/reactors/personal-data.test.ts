/** What is known of a visitor: the newest name counts, and leaving a detail out forgets nothing. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { PROFILE_FIELDS, type Profile } from '../../src/actors/visitor/profile.ts';
import { closeChat, DELAYS, startChat } from '../actors/facts.ts';
import { visitorKey } from '../support/names.ts';
import { ACME, openRig, type Rig } from '../support/rig.ts';

let rig: Rig;
let views = 0;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const view = (key: string, profile: Profile) => {
  const digest = `view ${++views}`;
  const command = { type: 'ViewPage', digest, department: null, delays: DELAYS, profile } as const;
  return rig.toVisitor(key, command);
};
const chat = (key: string, chatId: string, nick?: string) =>
  rig.toVisitor(key, { ...startChat(chatId), nick } as VisitorCommand);
async function known(key: string): Promise<Profile> {
  const state = await rig.visitor(key).state();
  if (!state) throw new Error('the visitor is known');
  return (await rig.personal.profileOf(ACME, visitorKey(key), state)).profile;
}

describe('of two names of a visitor', () => {
  it('the newest counts, wherever it came from', async () => {
    await view('1', { page: '/', nick: 'Anna' });
    await chat('1', 'c1', 'Anna from Riga');
    expect((await known('1')).nick).toBe('Anna from Riga');
    await view('1', { page: '/shoes', nick: 'Anna B.' });
    expect((await known('1')).nick).toBe('Anna B.');
    await rig.toVisitor('1', closeChat('c1'));
    await chat('1', 'c2', 'Annie');
    expect((await known('1')).nick).toBe('Annie');
  });

  it('none is forgotten because a page view or a chat leaves it out', async () => {
    await view('1', { page: '/', nick: 'Anna' });
    await view('1', { page: '/shoes' });
    await chat('1', 'c1');
    expect(await known('1')).toEqual({ page: '/shoes', nick: 'Anna' });
    await rig.toVisitor('1', closeChat('c1'));
    await chat('1', 'c2', 'Annie');
    await view('1', { page: '/hats' });
    await rig.toVisitor('1', closeChat('c2'));
    await chat('1', 'c3');
    await view('1', { page: '/' });
    expect(await known('1')).toEqual({ page: '/', nick: 'Annie' });
  });
});

it('a new country without a city leaves no old city; a page has only its own title and referrer', async () => {
  const home = { page: '/', title: 'Home', referrer: 'https://search.test/' };
  await view('1', { ...home, country: 'LV', city: 'Riga', timezone: 'Europe/Riga', vid: 'a1' });
  await view('1', { page: '/shoes', country: 'IT', visits: 2 });
  expect(await known('1')).toEqual({
    page: '/shoes',
    country: 'IT',
    timezone: 'Europe/Riga',
    visits: 2,
    vid: 'a1',
  });
});

it('a clean-up forgets all of it', async () => {
  await view('1', { page: '/', nick: 'Anna', city: 'Riga' });
  await rig.toVisitor('1', { type: 'CleanUp' });
  await view('1', { page: '/shoes' });
  expect(await known('1')).toEqual({ page: '/shoes' });
});

it('after any page views and chats, each detail is the last one that was told', async () => {
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const word = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc
      .record({
        title: optional(word),
        nick: optional(word),
        country: optional(word),
        city: optional(word),
        timezone: optional(word),
        visits: optional(fc.nat({ max: 3 })),
      })
      .map((profile) => ({ view: profile })),
    optional(word).map((nick) => ({ chat: nick })),
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const key = `p${++run}`;
      let expected: Record<string, unknown> = {};
      for (const [n, each] of steps.entries()) {
        if ('view' in each) {
          const given = Object.fromEntries(
            Object.entries({ page: `/${n}`, ...each.view }).filter(
              ([, value]) => value !== undefined,
            ),
          );
          const { nick, country, city, timezone, visits } = expected;
          const place = 'country' in given || 'city' in given ? {} : { country, city };
          expected = { nick, timezone, visits, ...place, ...given };
          await view(key, given as unknown as Profile); // some fields of a profile, as the arbitrary makes them
        } else {
          await chat(key, `c${n}`, each.chat);
          expected = { ...expected, ...(each.chat !== undefined && { nick: each.chat }) };
          await rig.toVisitor(key, closeChat(`c${n}`));
        }
      }
      const told = await known(key);
      for (const field of PROFILE_FIELDS)
        expect([field, told[field]]).toEqual([field, expected[field]]);
    }),
    { numRuns: 40 },
  );
});

it('a visitor of release 0.1.0 keeps the name that they had', async () => {
  // Its facts do not say what they tell.
  await view('1', { page: '/', nick: 'Anna' });
  const state = await rig.visitor('1').state();
  if (!state) throw new Error('the visitor is known');
  const old = { ...state, context: { ...state.context, told: {} } };
  const { profile } = await rig.personal.profileOf(ACME, visitorKey('1'), old);
  expect(profile).toEqual({ page: '/', nick: 'Anna' });
});
