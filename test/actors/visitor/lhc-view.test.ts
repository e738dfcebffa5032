import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_STATUS_TEXT_CHARACTERS,
  readLhcView,
  statusWithoutChat,
} from '../../../src/actors/visitor/lhc-view.ts';
import { bodiesOf, day, hosting } from '../../lhc-wire/recordings.ts';

const read = (nick: string, ...lines: string[]) => readLhcView(nick, lines.join('\n| '));
const PAGE = [
  '/shoes',
  'Time zone: Europe/Paris (22:09:14)',
  'Last activity ago: 0 s.',
  'Visits - 2',
];

describe("LHC's view of a visitor", () => {
  it('without a chat says page, place, time zone and visits', () => {
    expect(read('Online visitor', 'de (Berlin)', ...PAGE)).toMatchObject({
      profile: {
        nick: 'Online visitor',
        page: '/shoes',
        country: 'de',
        city: 'Berlin',
        timezone: 'Europe/Paris',
        visits: 2,
        statusText: ['de (Berlin)', ...PAGE].join('\n| '),
      },
      department: null,
      chatId: null,
    });
  });

  it('with a chat says the department, the page and whether the chat is open', () => {
    const lines = ['Sales 2', 'de', '//shop.test/shoes', 'Time zone: Europe/Riga (09:14)'];
    expect(read('Anna Bell #41', ...lines, 'Pending chat')).toMatchObject({
      profile: { nick: 'Anna Bell #41', page: '//shop.test/shoes', timezone: 'Europe/Riga' },
      department: 'Sales 2',
      chatId: '41',
      isOpen: true,
    });
    expect(read('Anna Bell #41', ...lines)).toMatchObject({ chatId: '41', isOpen: false });
  });

  it.each([
    ['a page and no word', ['Sales', '/shoes/belts'], false],
    ['a department alone', ['Sales'], false],
    ['nothing', [''], false],
    ['a country alone', ['Sales', 'lt (Vilnius)'], false],
    ['a time alone', ['Sales', 'Zeitzone: Europe/Vienna (9:14:00)'], false],
    ['a word in another language', ['Verkauf', '/schuhe', 'Aktiver Chat'], true],
    ['a word and no page', ['Sales', 'Pending chat'], true],
  ])('tells an open chat from a closed one by %s', (_what, lines, isOpen) => {
    expect(read('Ben #7', ...lines).isOpen).toBe(isOpen);
  });

  it('is the same view while only times pass, in any language', () => {
    const later = ['/shoes', 'Zeitzone: Europe/Paris (22:09:40)', 'Letzte Aktivität vor: 26 Sek.'];
    const before = ['/shoes', 'Zeitzone: Europe/Paris (22:09:14)', 'Letzte Aktivität vor: 0 Sek.'];
    expect(read('Online visitor', ...later).said).toBe(read('Online visitor', ...before).said);
    const chat = (time: string, page: string, word: string) =>
      read('Anna #4', 'Sales', page, `Time zone: Europe/Paris (${time})`, word).said;
    expect(chat('22:09:14', '/a', 'Active chat')).toBe(chat('22:10:00', '/a', 'Active chat'));
    expect(chat('22:09:14', '/a', 'Active chat')).not.toBe(chat('22:09:14', '/b', 'Active chat'));
    expect(chat('22:09:14', '/a', 'Active chat')).not.toBe(chat('22:09:14', '/a', 'Pending chat'));
    expect(read('Online visitor', '/shoes/43', ...PAGE.slice(1)).said).not.toBe(
      read('Online visitor', '/shoes/44', ...PAGE.slice(1)).said,
    );
  });

  it('of everything that was recorded has its chat and its page', () => {
    const views = [...bodiesOf(day), ...bodiesOf(hosting)].filter(({ status }) => status);
    expect(views.length).toBeGreaterThan(20);
    for (const { nick, status } of views) {
      const { chatId, isOpen, profile } = readLhcView(String(nick), String(status));
      expect(chatId === null).toBe(nick === 'Online visitor');
      expect(isOpen).toBe(/(Pending|Active) chat$/.test(String(status)));
      expect(profile.page ?? '/').toMatch(/^\//);
      expect(profile.statusText).toBe(status);
    }
  });

  it('refuses no text, and keeps to its bounds', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary', maxLength: 6_000 }),
        (nick, status) => {
          const { profile, said } = readLhcView(nick, status);
          expect((profile.statusText ?? '').length).toBeLessThanOrEqual(MAX_STATUS_TEXT_CHARACTERS);
          expect(profile.statusText ?? 'text').not.toMatch(/\r|\n(?!\| )/);
          expect(profile.nick ?? 'nick').not.toBe('');
          expect(said).toBe(readLhcView(nick, status).said);
        },
      ),
    );
  });

  it('without its word for the chat is all the rest', () => {
    expect(statusWithoutChat('Anna #4', 'Sales\n| /a\n| Active chat')).toBe('Sales\n| /a');
    expect(statusWithoutChat('Anna #4', 'Sales\n| /a')).toBe('Sales\n| /a');
    expect(statusWithoutChat('Online visitor', '/a\n| Visits - 1')).toBe('/a\n| Visits - 1');
  });
});
