import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Profile } from '../../../src/actors/visitor/profile.ts';
import type { VisitorContext, VisitorState } from '../../../src/actors/visitor/state.ts';
import {
  PAGE_MAX_LENGTH,
  presenceOf,
  STATUS_MAX_LENGTH,
} from '../../../src/reactors/texts/presence-text.ts';
import { username, visitorKey } from '../../support/names.ts';

/** What clients with narrow contact lists show of a status. */
const SEEN = 25;
const key = visitorKey('7');
const chat = { id: '5', department: 'sales', operator: username('op1') };

function shown(conversation: VisitorState['conversation'], profile: Profile, show = true) {
  const open = conversation === 'waiting' || conversation === 'chatting';
  // The fields that a presence is made of.
  const context = { chat: open ? chat : null, inviter: username('op2') } as VisitorContext;
  const state: VisitorState = { presence: 'online', conversation, offer: 'none', context };
  const names: Record<string, string> = { op1: 'Paula', op2: 'Tom' };
  const nameOf = (name: string) => names[name] ?? name;
  return presenceOf(key, { profile, at: 0 }, state, {
    nameOf,
    inLhc: null,
    show,
    flavour: 'native',
  });
}
const page = 'https://shop.test/shoes?size=43';
const profile: Profile = { page, title: 'Blue shoes', city: 'Rome', country: 'Italy', visits: 2 };

describe('the status of a visitor whose chat somebody in LHC has', () => {
  const lhc = { lhcUserId: 7, revision: 3 };
  it.each([
    ['chatting', 'In chat · Olga, in LHC · Blue shoes · Rome, Italy'],
    ['waiting', 'Waiting · Olga, in LHC · Blue shoes · Rome, Italy'],
  ] as const)('in the state %s begins with %j, and nobody has to answer', (conversation, line) => {
    const context = { chat: { ...chat, operator: null, inLhc: lhc } } as unknown as VisitorContext; // the fields that count
    const state: VisitorState = { presence: 'online', conversation, offer: 'none', context };
    const flavour = 'native' as const;
    const people = { nameOf: String, inLhc: 'Olga, in LHC', show: true, flavour };
    const shows = presenceOf(key, { profile, at: 0 }, state, people);
    expect(shows.status.split('\n', 1)).toEqual([line]);
    expect(shows.show).toBeUndefined();
  });
});

describe('the status', () => {
  it.each([
    ['none', 'Blue shoes · Rome, Italy'],
    ['waiting', 'Waiting · Blue shoes · Rome, Italy'],
    ['chatting', 'In chat · Paula · Blue shoes · Rome, Italy'],
    ['invited', 'Invited · Tom · Blue shoes · Rome, Italy'],
  ] as const)('of a visitor in the state %s begins with %j', (conversation, line) => {
    const { status } = shown(conversation, profile);
    expect(status.split('\n', 1)).toEqual([line]);
    expect(status).toContain(`\n${page}`);
    expect(status).toContain('\nvisit 2');
  });

  it.each<[Profile, string]>([
    [{ page }, '/shoes?size=43'],
    [{ page: 'https://shop.test/' }, 'shop.test'],
    [{ page: 'https://shop.test' }, 'shop.test'],
    [{ page: '/home' }, '/home'],
    [{ page: 'https://shop.test/a/long/way/to/shoes.html?utm=x' }, '…/to/shoes.html?utm=x'],
    [{ page: 'https://shop.test/en/women/shoes/' }, '…/women/shoes/'],
    [{ page: 'https://shop.test/blog/shoes-for-a-long-way' }, '…/shoes-for-a-long-way'],
    [{ page: 'https://shop.test/shoes-for-a-long-way/' }, '/shoes-for-a-long-way/'],
    [{ page, title: ' \n\t ' }, '/shoes?size=43'],
    [{ title: 'Blue\n\n shoes ' }, 'Blue shoes'],
    [{}, ''],
  ])('of %j begins with %j', (given, line) => {
    expect(shown('none', given).status.split('\n', 1)).toEqual([line]);
  });

  it('of a page without a title has the end of its path in the first 25 characters', () => {
    const part = fc.stringMatching(/^[a-z0-9-]{1,10}$/);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 12 }), (parts) => {
        const { status } = shown('waiting', { page: `https://shop.test/${parts.join('/')}` });
        expect(status.slice(0, SEEN)).toContain(`/${parts.at(-1)}`);
      }),
    );
  });

  it('of every page says within 25 characters that the visitor waits, and what they look at', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 600 });
    fc.assert(
      fc.property(text, fc.webUrl(), text, (title, address, city) => {
        const { status } = shown('waiting', { title, page: address, city });
        expect(status.startsWith('Waiting · ')).toBe(true);
        expect(status.slice(0, SEEN).length).toBeGreaterThan('Waiting · '.length);
        expect(status.length).toBeLessThanOrEqual(STATUS_MAX_LENGTH);
        const [first = ''] = status.split('\n', 1);
        expect(first.split(' · ', 2)[1]?.length).toBeLessThanOrEqual(PAGE_MAX_LENGTH);
      }),
      { numRuns: 40 },
    );
  });
});

describe('the show', () => {
  it('is `chat` for a visitor who waits, and for no other', () => {
    const states = ['none', 'waiting', 'chatting', 'invited'] as const;
    const shows = states.map((state) => shown(state, profile).show);
    expect(shows).toEqual([undefined, 'chat', undefined, undefined]);
  });

  it('is left out where the tenant does not want it, and the status is the same', () => {
    const { status } = shown('waiting', profile);
    expect(shown('waiting', profile, false)).toEqual({ status, nick: 'Visitor 7' });
  });
});

describe('the status that LHC has written', () => {
  const sales = 'Sales\n| /shoes\n| Active chat';
  const written = (text: string): Profile => ({ nick: 'Anna #5', statusText: text });

  it.each([
    ['none', 'Sales\n| /shoes'],
    ['waiting', `Waiting · ${sales}`],
    ['chatting', `In chat · Paula · ${sales}`],
    ['invited', 'Invited · Tom · Sales\n| /shoes'],
  ] as const)(
    'stands behind the state %s, without a word for a chat that is over',
    (state, text) => {
      expect(shown(state, written(sales)).status).toBe(text);
    },
  );

  it('is as LHC wrote it for who looks around, and is cut', () => {
    const text = '/shoes\n| Time zone: Europe/Paris (22:09:14)\n| Visits - 1';
    const presence = shown('none', { nick: 'Online visitor', statusText: text });
    expect(presence).toEqual({ nick: 'Online visitor', status: text });
    const long = shown('none', written(`Sales\n| /${'x'.repeat(2_000)}`));
    expect(long.status).toHaveLength(STATUS_MAX_LENGTH);
  });
});
