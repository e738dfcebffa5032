/** A visitor in an operator's contact list: name, show and status text. */
import type { VisitorKey } from '../../actors/ids.ts';
import type { VisitorState } from '../../actors/visitor/facts.ts';
import type { Profile } from '../../actors/visitor/profile.ts';
import { cut } from '../../kit/cut.ts';
import { Lru } from '../../kit/lru.ts';
import type { VisitorPresence } from '../../xmpp/port.ts';

/** A status is a line or two in a contact list, while the address of a page can have 2 kB. In UTF-16 units. */
export const STATUS_MAX_LENGTH = 500;

/** Formatters kept in memory. A new one takes 300 µs. There are some 600 time zones, but visitors can invent names. */
const FORMATTERS_MAX = 1000;
const formatters = new Lru<Intl.DateTimeFormat>(FORMATTERS_MAX);

function formatterOf(timezone: string): Intl.DateTimeFormat {
  const known = formatters.get(timezone);
  if (known) return known;
  const formatter = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    hour: '2-digit',
    minute: '2-digit',
  });
  formatters.set(timezone, formatter);
  return formatter;
}

/** Hour and minute in the visitor's time zone; null if the zone is missing or unknown. */
export const localTime = (at: number, timezone: string | undefined): string | null => {
  if (!timezone) return null;
  try {
    return formatterOf(timezone).format(at);
  } catch {
    return null; // RangeError of an unknown time zone, ECMA-402 §11.1.2
  }
};

/** City and country, as far as they are known. */
export const placeOf = ({ city, country }: Profile): string =>
  [city, country].filter(Boolean).join(', ');

/** The visitor's name for operators. */
export const nickOf = (key: VisitorKey, { nick }: Profile): string =>
  nick || `Visitor ${key.replace(/\.chat$/, '')}`;

/**
 * Name, show and status of a visitor. The local time is the time of the last page view, so the status changes only when
 * the visitor does something.
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
  const status = cut(lines.filter(Boolean).join('\n'), STATUS_MAX_LENGTH);
  const nick = nickOf(key, profile);
  return conversation === 'waiting' ? { show: 'chat', status, nick } : { status, nick };
}
