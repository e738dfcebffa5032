/** Who a visitor is, for an operator who can accept the chat. */
import type { VisitorKey } from '../../actors/ids.ts';
import type { Profile } from '../../actors/visitor/profile.ts';
import type { Chat, VisitorState } from '../../actors/visitor/state.ts';
import { cut } from '../../kit/cut.ts';
import type { NameOf } from './names.ts';
import { pageLineOf, placeOf, visitorAs } from './presence-text.ts';
import { spokenBy } from './spoken.ts';
import { visitorsTime } from './times.ts';

/** The address of a page can have 2 kB, and a chat window is narrow. In UTF-16 units. */
const LINE_MAX_LENGTH = 300;

const ordinal = (n: number): string => {
  const [, unit = 0] = /(\d)$/.exec(String(n)) ?? [];
  const teen = n % 100 >= 11 && n % 100 <= 13;
  const end = teen ? 'th' : ({ 1: 'st', 2: 'nd', 3: 'rd' }[Number(unit)] ?? 'th');
  return `${n}${end}`;
};

const TOLD = {
  closed: 'The visitor was told that nobody answers at this time.',
  full: 'The visitor was told that many are waiting.',
};

/** What the visitor was told while nobody answered; empty if nothing. */
export const toldLine = ({ notified }: Pick<Chat, 'notified'>): string =>
  notified === null ? '' : TOLD[notified];

/**
 * Name, place, local time, language and earlier chats; the page on the next line. The headline above has the chat's number and
 * department.
 * @param at ms since 1970, for the visitor's local time
 * @param operator the reader
 */
export function introductionOf(
  key: VisitorKey,
  profile: Profile,
  { context: { chat, chats, lastOperator, language } }: VisitorState,
  at: number,
  operator: string,
  nameOf: NameOf,
): string {
  const earlier = chat && chats > 1 ? `${ordinal(chats)} chat` : null;
  const last =
    earlier && lastOperator && chat && !chat.accepted
      ? `last with ${lastOperator === operator ? 'you' : nameOf(lastOperator)}`
      : null;
  const who = [
    visitorAs(key, profile),
    placeOf(profile),
    visitorsTime(at, profile.timezone),
    spokenBy(chat?.language ?? language),
    earlier,
    last,
  ];
  return [who.filter(Boolean).join(' · '), pageLineOf(profile)]
    .filter((line) => line !== '')
    .map((line) => cut(line, LINE_MAX_LENGTH))
    .join('\n');
}
