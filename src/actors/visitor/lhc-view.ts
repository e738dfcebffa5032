/**
 * What LHC's xmppservice extension says of a visitor: a nick, and a status text of several lines. Both are made for people:
 * `Anna #41` with `Sales`, `| https://…` and `| Pending chat`, or `Online visitor` with page, time zone and visits. The
 * texts may be in any language, so the lines are known by their shape.
 */
import { cut } from '../../kit/cut.ts';
import { isTimeZone } from '../../kit/time-zone.ts';
import { ChatId } from '../ids.ts';
import { describingLine, MAX_NAME_CHARACTERS } from '../input-text.ts';
import type { Profile } from './profile.ts';

/** A status text at most, in UTF-16 units. Most of it is the address of a page. */
export const MAX_STATUS_TEXT_CHARACTERS = 4_096;

export interface LhcView {
  /** The text itself, and what its lines say. */
  readonly profile: Profile;
  /** Of the chat; null without one. */
  readonly department: string | null;
  /** The last chat of this visitor in LHC, open or not; null if there was none. */
  readonly chatId: ChatId | null;
  /** False if LHC says that the chat is over: it writes "pending" or "active" behind an open one. */
  readonly isOpen: boolean;
  /** Equal for two views of the same page: without the times, which change by themselves. */
  readonly said: string;
}

const BETWEEN_LINES = '\n| ';
const line = describingLine(MAX_STATUS_TEXT_CHARACTERS);
const nickLine = describingLine(MAX_NAME_CHARACTERS);

const isPage = (text: string): boolean => /^\/|^[a-z][a-z0-9+.-]*:\/\//i.test(text);
/** `de (Berlin)` */
const COUNTRY = /^([a-z]{2})(?: \((.*)\))?$/i;
/** `Time zone: Europe/Paris (22:09:14)` */
const LOCAL_TIME = / \(\d{1,2}:\d{2}(?::\d{2})?\)$/;
const LAST_WORD = /(\S+)$/;
/** `Last activity ago: 5 s.` */
const AGO = /(?<!\d)\d+(?= \p{L}+\.?$)/gu;
/** `Visits - 3` */
const VISITS = /\D(\d{1,9})$/;

/** The place that a line says; null if it says none. A page could look like nothing else. */
const placeIn = (text: string): Pick<Profile, 'country' | 'city'> | null => {
  const [, country, city] = COUNTRY.exec(text) ?? [];
  return country === undefined ? null : { country, ...(city && { city }) };
};

const timeZoneIn = (text: string): string | undefined => {
  const [, timezone = ''] = LOCAL_TIME.test(text)
    ? (LAST_WORD.exec(text.replace(LOCAL_TIME, '')) ?? [])
    : [];
  return isTimeZone(timezone) ? timezone : undefined;
};

/** True for what no line about the state of a chat looks like. */
const isDetail = (text: string): boolean =>
  isPage(text) || LOCAL_TIME.test(text) || COUNTRY.test(text);

/** What the lines say, beside the department and the state of the chat. */
function detailsIn(lines: readonly string[]): Profile {
  const page = lines.find(isPage);
  const place = lines.map(placeIn).find((found) => found !== null);
  const timezone = lines.map(timeZoneIn).find((found) => found !== undefined);
  return {
    ...(page !== undefined && { page }),
    ...place,
    ...(timezone !== undefined && { timezone }),
  };
}

function visitsIn(lines: readonly string[]): Pick<Profile, 'visits'> {
  const last = lines.length > 1 ? (lines.at(-1) ?? '') : '';
  const [, visits] = isDetail(last) ? [] : (VISITS.exec(last) ?? []);
  return visits === undefined ? {} : { visits: Number(visits) };
}

/** The lines of a status text, clean, without the bars between them. */
const linesOf = (status: string): string[] =>
  cut(status, MAX_STATUS_TEXT_CHARACTERS)
    .split(/\r?\n\| ?/)
    .map((each) => line.parse(each));

/** Reads a nick and a status text of LHC. It refuses no text: what cannot be read says nothing. */
export function readLhcView(nick: string, status: string): LhcView {
  const name = nickLine.parse(nick);
  const lines = linesOf(status);
  const { data: chatId = null } = ChatId.safeParse(/ #(\d+)$/.exec(name)?.[1]);
  const statusText = lines.join(BETWEEN_LINES);
  const shown: Profile = {
    ...(name !== '' && { nick: name }),
    ...(statusText !== '' && { statusText }),
  };
  if (chatId === null) {
    const said = lines.map((each) => withoutTimes(each, AGO)).join('\n');
    const profile = { ...shown, ...detailsIn(lines), ...visitsIn(lines) };
    return { profile, department: null, chatId, isOpen: false, said: `${name}\n${said}` };
  }
  const [department = '', ...details] = lines;
  const last = details.at(-1);
  const isOpen = last !== undefined && last !== '' && !isDetail(last);
  const said = [name, department, ...details.map((each) => withoutTimes(each))].join('\n');
  return {
    profile: { ...shown, ...detailsIn(details) },
    department: cut(department, MAX_NAME_CHARACTERS) || null,
    chatId,
    isOpen,
    said,
  };
}

const withoutTimes = (text: string, ago?: RegExp): string => {
  if (isPage(text)) return text;
  const timeless = text.replace(LOCAL_TIME, '');
  return ago ? timeless.replace(ago, '') : timeless;
};

/** LHC's status text, without its word for the state of a chat. @param nick as it came with the text */
export function statusWithoutChat(nick: string, statusText: string): string {
  const { isOpen } = readLhcView(nick, statusText);
  return isOpen ? linesOf(statusText).slice(0, -1).join(BETWEEN_LINES) : statusText;
}
