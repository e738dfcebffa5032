/** Who a visitor is, for the operator who is asked to answer it. */
import type { Username, VisitorKey } from '../../actors/ids.ts';
import type { Profile, VisitorState } from '../../actors/visitor/facts.ts';
import { cut } from '../texts/cut.ts';
import { localTime, nickOf, placeOf } from '../texts/presence-text.ts';

/** A page's address can be 2 kB, and a chat's window is narrow. */
const MOST_OF_LINE = 300;

const ordinal = (n: number): string => {
  const [, unit = 0] = /(\d)$/.exec(String(n)) ?? [];
  const teen = n % 100 >= 11 && n % 100 <= 13;
  const end = teen ? 'th' : ({ 1: 'st', 2: 'nd', 3: 'rd' }[Number(unit)] ?? 'th');
  return `${n}${end}`;
};

/**
 * Name, place, local time, earlier chats; the page below. Not the department and the number of the chat: the line
 * above it says them.
 * @param at ms since 1970: the visitor's time of day then
 * @param operator who reads it
 */
export function introductionOf(
  key: VisitorKey,
  profile: Profile,
  state: VisitorState,
  at: number,
  operator: Username,
): string {
  const { chat, chats, lastOperator } = state.context;
  const time = localTime(at, profile.timezone);
  const earlier = chat && chats > 1 ? `${ordinal(chats)} chat` : null;
  const last =
    earlier && lastOperator && chat && !chat.accepted
      ? `last with ${lastOperator === operator ? 'you' : lastOperator}`
      : null;
  const who = [nickOf(key, profile), placeOf(profile), time && `local time ${time}`, earlier, last];
  const page = [profile.title, profile.page].filter(Boolean).join(' — ');
  return [who.filter(Boolean).join(' · '), page]
    .filter((line) => line !== '')
    .map((line) => cut(line, MOST_OF_LINE))
    .join('\n');
}
