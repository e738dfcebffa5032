/** What operators read about a visitor in their contact list. */
import type { VisitorKey } from '../../actors/ids.ts';
import type { Profile, VisitorState } from '../../actors/visitor/facts.ts';
import { Lru } from '../../kit/lru.ts';
import type { VisitorPresence } from '../../xmpp/port.ts';
import { cut } from './cut.ts';

/** A status is a line or two in a contact list; a page's address can be 2 kB. */
const MOST = 500;

/** Making one takes 300 µs, and there are some 600 time zones; what visitors make up is bounded. */
const clocks = new Lru<Intl.DateTimeFormat>(1000);

function clockOf(timezone: string): Intl.DateTimeFormat {
  const known = clocks.get(timezone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    hour: '2-digit',
    minute: '2-digit',
  });
  clocks.set(timezone, made);
  return made;
}

/** Hour and minute where the visitor is; null where that is not known. */
export const localTime = (at: number, timezone: string | undefined): string | null => {
  if (!timezone) return null;
  try {
    return clockOf(timezone).format(at);
  } catch {
    return null; // an unknown time zone: RangeError, ECMA-402 §11.1.2
  }
};

/** City and country, as far as they are known. */
export const placeOf = ({ city, country }: Profile): string =>
  [city, country].filter(Boolean).join(', ');

/** The name that operators see. */
export const nickOf = (key: VisitorKey, { nick }: Profile): string =>
  nick || `Visitor ${key.replace(/\.chat$/, '')}`;

/**
 * Name, show and status of a visitor. The local time is that of its last page view, so that the text changes only
 * with what the visitor does.
 */
export function presenceOf(
  key: VisitorKey,
  { profile, at }: { profile: Profile; at: number },
  { conversation, context }: VisitorState,
): VisitorPresence {
  const place = placeOf(profile);
  const time = localTime(at, profile.timezone);
  const chat = context.chat;
  const lines = [
    chat && `Chat #${chat.id}${chat.department ? ` (${chat.department})` : ''}`,
    profile.title,
    profile.page,
    [place, time && `local time ${time}`].filter(Boolean).join(' · '),
    profile.referrer && `from ${profile.referrer}`,
    profile.visits !== undefined && profile.visits > 1 && `visit ${profile.visits}`,
  ];
  const status = cut(lines.filter(Boolean).join('\n'), MOST);
  const nick = nickOf(key, profile);
  return conversation === 'waiting' ? { show: 'chat', status, nick } : { status, nick };
}
