/** A visitor in an operator's contact list: name, show and status text. */
import type { Username, VisitorKey } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { statusWithoutChat } from '../../actors/visitor/lhc-view.ts';
import type { Profile } from '../../actors/visitor/profile.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import { cut } from '../../kit/cut.ts';
import type { VisitorPresence } from '../../xmpp/port.ts';
import type { NameOf } from './names.ts';
import { visitorsTime } from './times.ts';

/** A status is a line or two in a contact list, while the address of a page can have 2 kB. In UTF-16 units. */
export const STATUS_MAX_LENGTH = 500;
/** The page in the first line: so much of it that the place behind it is still seen in a wide window. In UTF-16 units. */
export const PAGE_MAX_LENGTH = 80;

/**
 * The path of a page without a title: so much of its end stands first that "Waiting · " and the path fit into the 25
 * characters that clients show. The folders before it say less. In UTF-16 units.
 */
export const PATH_END_MAX_LENGTH = 15;

/** The name of every desk in contact lists. */
export const DESK_NAME = 'Front desk';

/** City and country, as far as they are known. */
export const placeOf = ({ city, country }: Profile): string =>
  [city, country].filter(Boolean).join(', ');

/** The visitor's name for operators. */
export const nickOf = (key: VisitorKey, { nick }: Profile): string =>
  nick || `Visitor ${key.replace(/\.chat$/, '')}`;

/**
 * The visitor in a line of the service. Visitors choose their names, so one may have an operator's name, or letters that look
 * like it.
 */
export const visitorAs = (key: VisitorKey, profile: Profile): string =>
  profile.nick ? `Visitor ${profile.nick}` : nickOf(key, profile);

/** The page in a line of the service. The site and the visitor choose its title, so it is named; '' if it is not known. */
export const pageLineOf = ({ title, page }: Profile): string => {
  const text = [title, page].filter(Boolean).join(' — ');
  return text && `Page: ${text}`;
};

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The end of a path: as many of its parts as fit, and the last one in any case. */
function endOf(path: string): string {
  if (path.length <= PATH_END_MAX_LENGTH) return path;
  const from = path.indexOf('/', path.length - PATH_END_MAX_LENGTH + 1);
  const last = path.lastIndexOf('/', path.length - 2); // a slash at the end closes the last part
  const at = from === -1 || from > last ? last : from;
  return at > 0 ? `…${path.slice(at)}` : path;
}

/** The page in a few words: its title, or else the part of its address that differs from page to page. */
function pageOf({ title = '', page = '' }: Profile): string {
  const titled = oneLine(title);
  if (titled !== '') return cut(titled, PAGE_MAX_LENGTH);
  const url = URL.parse(page);
  if (!url?.host) return cut(page, PAGE_MAX_LENGTH);
  const path = endOf(url.pathname) + url.search;
  return cut(path === '/' ? url.host : path, PAGE_MAX_LENGTH);
}

interface People {
  readonly nameOf: NameOf;
  /** Who has the chat in LHC's own pages, or is asked there; null if nobody. */
  readonly inLhc: string | null;
}

/** What becomes of the visitor now; null for a visitor who only looks around. */
function stateOf(
  { conversation, context }: VisitorState,
  { nameOf, inLhc }: People,
): string | null {
  const named = (word: string, name: string | null): string =>
    name === null ? word : `${word} · ${name}`;
  const nameOrNull = (operator: Username | null | undefined): string | null =>
    operator ? nameOf(operator) : null;
  switch (conversation) {
    case 'waiting':
      return named(context.chat?.left ? 'Has left' : 'Waiting', inLhc);
    case 'chatting':
      return named('In chat', inLhc ?? nameOrNull(context.chat?.operator));
    case 'invited':
      return named('Invited', nameOrNull(context.inviter));
    case 'none':
      return null;
  }
}

function ownText(
  { profile, at }: { profile: Profile; at: number },
  state: VisitorState,
  people: People,
): string {
  const { chat } = state.context;
  const page = pageOf(profile);
  const lines = [
    [stateOf(state, people), page, placeOf(profile)].filter(Boolean).join(' · '),
    chat && `Chat #${chat.id}${chat.department ? ` (${chat.department})` : ''}`,
    profile.page !== page && profile.page,
    visitorsTime(at, profile.timezone),
    profile.referrer && `from ${profile.referrer}`,
    profile.visits !== undefined && profile.visits > 1 && `visit ${profile.visits}`,
  ];
  return lines.filter(Boolean).join('\n');
}

/** The text that LHC has written, behind our word for the state: who has a chat, LHC's text does not say. */
function lhcText(
  { nick = '' }: Profile,
  statusText: string,
  state: VisitorState,
  people: People,
): string {
  // LHC writes its word for the chat when a page is viewed, and says nothing when the chat ends.
  const text = state.context.chat ? statusText : statusWithoutChat(nick, statusText);
  return [stateOf(state, people), text].filter(Boolean).join(' · ');
}

/**
 * Name, show and status of a visitor. Clients cut the status, some after 25 characters, and some show its first line alone.
 * Some do not draw `chat` at all. So the first line begins with the state, and the page and the place follow.
 *
 * The local time is the time of the last page view, so the status changes only when something happens.
 * @param show whether a visitor who waits has `chat` as well
 * @param flavour of the tenant's LHC: without our extension it can show words alone
 */
export function presenceOf(
  key: VisitorKey,
  { profile, at }: { profile: Profile; at: number },
  state: VisitorState,
  {
    show,
    flavour,
    ...people
  }: People & { readonly show: boolean; readonly flavour: Tenant['callbackFlavour'] },
): VisitorPresence {
  const { chat } = state.context;
  const text =
    profile.statusText === undefined
      ? ownText({ profile, at }, state, people)
      : lhcText(profile, profile.statusText, state, people);
  const status = cut(text, STATUS_MAX_LENGTH);
  const nick = nickOf(key, profile);
  const waits = state.conversation === 'waiting' && !chat?.left && !chat?.inLhc;
  return {
    ...(waits && show && { show: 'chat' }),
    status,
    nick,
    ...(flavour !== 'native' && { wordsAlone: true }),
  };
}
