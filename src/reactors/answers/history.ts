/** `!history`: the last messages of a conversation as text. */
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../../actors/ids.ts';
import type { VisitorFact, VisitorFacts } from '../../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { backwards } from '../../eventstore/reading.ts';
import { cut } from '../../kit/cut.ts';
import type { JsonObject } from '../../kit/json.ts';
import { hanging } from '../../kit/lines.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { fileIn, fileInList } from '../texts/files.ts';
import { nameIn, personInLhc } from '../texts/in-lhc.ts';
import type { NameOf } from '../texts/names.ts';
import { visitorAs } from '../texts/presence-text.ts';
import { dayOf, timeOf } from '../texts/times.ts';

/** Facts to search. Page views and outcomes stand between the messages, and a stream can be long. */
export const HISTORY_SEARCH_MAX_FACTS = 5_000;
/** The beginning of a message is enough to find it again. LHC's page has all of it. In UTF-16 units. */
export const HISTORY_BODY_MAX_LENGTH = 1_000;
/** What clients display well as one message, in bytes of UTF-8. */
export const HISTORY_TEXT_MAX_BYTES = 8_000;
/** Messages in one answer. */
export const HISTORY_MAX_TEXTS = 5;

interface Line {
  /** @param opened the personal part of the fact */
  readonly author: string | ((opened: JsonObject | null) => string);
  readonly chatId: string | null;
}

/** In histories of release 0.1.0 a correction is a message of its own. */
const authorOf = (
  { operator, replaces }: VisitorFacts['OperatorMessageReceived'],
  nameOf: NameOf,
): string => (replaces === undefined ? nameOf(operator) : `${nameOf(operator)} (corrected)`);

/** What became of messages after they were written, by the revisions of their facts. */
interface Later {
  /** Those that LHC has refused. */
  readonly refused: ReadonlySet<number>;
  readonly retracted: ReadonlySet<number>;
  /** The last corrections. */
  readonly corrected: ReadonlyMap<number, RecordedEvent>;
}

/** The author and chat of a fact that belongs into the history; null for other facts. */
function lineOf(fact: VisitorFact, visitor: string, nameOf: NameOf): Line | null {
  switch (fact.type) {
    case 'VisitorMessageSent':
      return { author: visitor, chatId: fact.data.chatId };
    case 'OperatorMessageReceived':
      return { author: authorOf(fact.data, nameOf), chatId: fact.data.chatId };
    case 'Whispered':
      return { author: `${nameOf(fact.data.operator)} (whisper)`, chatId: fact.data.chatId };
    case 'NoteAdded':
      return { author: `${nameOf(fact.data.operator)} (note)`, chatId: fact.data.chatId };
    case 'OperatorCommandSent':
      return { author: `${nameOf(fact.data.operator)} (to LHC)`, chatId: fact.data.chatId };
    case 'MessageWrittenInLhc': {
      const { data } = fact;
      const author = (opened: JsonObject | null) => personInLhc(data, nameIn(opened), nameOf);
      return { author, chatId: data.chatId };
    }
    default:
      return null;
  }
}

/** The whole answer if there are none. */
export const NO_MESSAGES = 'No messages yet.';

/** @param before a revision of the visitor's stream; without it, all that is there */
export type History = (
  tenant: TenantId,
  visitor: VisitorKey,
  count: number,
  before?: number,
) => Promise<readonly string[]>;

interface HistoryOptions {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: PersonalData;
  readonly names: Pick<OperatorNames, 'of'>;
}

/** @returns the newest first. A correction that LHC has not refused stands at the place of what it corrects */
async function lastMessages(
  { store }: HistoryOptions,
  stream: string,
  count: number,
  before: number | undefined,
): Promise<Later & { readonly found: RecordedEvent[] }> {
  const found: RecordedEvent[] = [];
  const refused = new Set<number>();
  const retracted = new Set<number>();
  const corrected = new Map<number, RecordedEvent>();
  for await (const event of backwards(store, stream, {
    most: HISTORY_SEARCH_MAX_FACTS,
    ...(before !== undefined && { from: before - 1 }),
  })) {
    const fact = visitorFact(event);
    if (!fact) continue;
    const stands = !refused.has(event.revision);
    if (fact.type === 'LhcRefused') refused.add(fact.data.revision);
    if (fact.type === 'OperatorMessageRetracted' && stands) retracted.add(fact.data.revision);
    const isWritten = fact.type === 'OperatorMessageReceived' || fact.type === 'Whispered';
    if (isWritten && fact.data.corrects !== undefined) {
      const { corrects } = fact.data;
      if (stands && !corrected.has(corrects)) corrected.set(corrects, event);
      continue;
    }
    if (lineOf(fact, '', String)) found.push(event);
    if (found.length === count) break;
  }
  return { found, refused, retracted, corrected };
}

/** What stands behind the author's name. */
function markOf({ refused, retracted, corrected }: Later, revision: number): string {
  if (retracted.has(revision)) return ' (taken back)';
  if (refused.has(revision)) return ' (not delivered)';
  return corrected.has(revision) ? ' (corrected)' : '';
}

function bodyIn(opened: JsonObject | null): string {
  const file = fileIn(opened);
  if (file) return fileInList(file);
  const body = opened?.body ?? opened?.text;
  if (typeof body !== 'string') return '(erased)';
  const long = body.length > HISTORY_BODY_MAX_LENGTH;
  const text = long ? `${cut(body, HISTORY_BODY_MAX_LENGTH)}…` : body;
  return hanging(text);
}

/** Answers with the last `count` messages, oldest first, in texts of bounded length. The texts of erased visitors are gone. */
export const createHistory =
  (options: HistoryOptions): History =>
  async (tenant, key, count, before) => {
    const state = await options.actors.visitor(tenant, key).state();
    const stream = streamOf(visitorRef(tenant, key));
    const { found: events, ...later } = await lastMessages(options, stream, count, before);
    if (!state || events.length === 0) return [NO_MESSAGES];
    const { profile } = await options.personal.profileOf(tenant, key, state);
    const visitor = visitorAs(key, profile);
    const { of: nameOf } = await options.names.of(tenant);
    const lines: string[] = [];
    let heading = '';
    for (const event of events.toReversed()) {
      const fact = visitorFact(event);
      const line = fact && lineOf(fact, visitor, nameOf);
      if (!line) continue;
      const { at } = event.metadata;
      const next = `${dayOf(at)}, ${line.chatId === null ? 'no chat' : `chat #${line.chatId}`}:`;
      if (next !== heading) lines.push(next);
      heading = next;
      const opened = await options.personal.of(event);
      const author = typeof line.author === 'string' ? line.author : line.author(opened);
      const mark = markOf(later, event.revision);
      const newest = later.corrected.get(event.revision);
      const text = newest ? await options.personal.of(newest) : opened;
      // The colleague who asks reads what the visitor sees.
      const body = later.retracted.has(event.revision) ? '…' : bodyIn(text);
      lines.push(`${timeOf(at)} ${author}${mark}: ${body}`);
    }
    return textsOf(lines, events.length);
  };

const bytes = (line: string): number => Buffer.byteLength(line) + 1;

/** Splits lines into texts, between lines. The oldest lines are left out where they do not fit. */
function textsOf(lines: readonly string[], messages: number): readonly string[] {
  const texts: string[][] = [[]];
  let room = HISTORY_TEXT_MAX_BYTES;
  let left = lines.length;
  for (const line of lines.toReversed()) {
    if (bytes(line) > room) {
      if (texts.length === HISTORY_MAX_TEXTS) break;
      texts.unshift([]);
      room = HISTORY_TEXT_MAX_BYTES;
    }
    room -= bytes(line);
    texts[0]?.unshift(line);
    left -= 1;
  }
  const what = messages === 1 ? 'The last message' : `The last ${messages} messages`;
  const cutOff = left > 0 ? ' The oldest are left out, because the messages are long.' : '';
  return texts.map((text, index) =>
    [...(index === 0 ? [`${what}. Times are in UTC.${cutOff}`] : []), ...text].join('\n'),
  );
}
