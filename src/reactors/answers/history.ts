/** `!history`: what was said with a visitor, as one reads it. */
import { visitorFact } from '../../actors/facts.ts';
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../../actors/ids.ts';
import type { VisitorFact, VisitorFacts } from '../../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../../eventstore/port.ts';
import { backwards } from '../../eventstore/reading.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal.ts';
import { cut } from '../texts/cut.ts';
import { nickOf } from '../texts/presence-text.ts';
import { dayOf, timeOf } from '../texts/times.ts';

/** Page views and outcomes lie between the messages; a stream can be long. */
const LOOKED_AT_MOST = 5_000;
/** Of a message, in characters: `!history` is to look something up, the visitor's page has it all. */
const MOST_OF_BODY = 1_000;
/** What clients show well as one message, in bytes of UTF-8 … */
const MOST_OF_TEXT = 8_000;
/** … and so many of them. */
const TEXTS_MOST = 5;

interface Said {
  readonly who: string;
  readonly chatId: string | null;
}

const nameOf = ({ operator, replaces }: VisitorFacts['OperatorMessageReceived']): string =>
  replaces === undefined ? operator : `${operator} (corrected)`;

/** Who said it, when it is something said. */
function saidBy(fact: VisitorFact, visitor: string): Said | null {
  switch (fact.type) {
    case 'VisitorMessageSent':
      return { who: visitor, chatId: fact.data.chatId };
    case 'OperatorMessageReceived':
      return { who: nameOf(fact.data), chatId: fact.data.chatId };
    case 'NoteAdded':
      return { who: `${fact.data.operator} (note)`, chatId: fact.data.chatId };
    case 'OperatorCommandSent':
      return { who: `${fact.data.operator} (to LHC)`, chatId: fact.data.chatId };
    default:
      return null;
  }
}

export type History = (
  tenant: TenantId,
  visitor: VisitorKey,
  count: number,
) => Promise<readonly string[]>;

/** Gives the last messages, the oldest first, in texts of bounded length. Whoever was erased has said nothing readable. */
export function createHistory(options: {
  actors: Actors;
  store: Pick<EventStore, 'readStream'>;
  personal: PersonalData;
}): History {
  const { actors, store, personal } = options;

  async function lastMessages(stream: string, count: number): Promise<RecordedEvent[]> {
    const found: RecordedEvent[] = [];
    for await (const event of backwards(store, stream, { most: LOOKED_AT_MOST })) {
      const fact = visitorFact(event);
      if (fact && saidBy(fact, '')) found.push(event);
      if (found.length === count) break;
    }
    return found;
  }

  async function wordsOf(event: RecordedEvent): Promise<string> {
    const said = await personal.of(event);
    const words = said?.body ?? said?.text;
    if (typeof words !== 'string') return '(erased)';
    const shown = words.length > MOST_OF_BODY ? `${cut(words, MOST_OF_BODY)}…` : words;
    return shown.replaceAll('\n', '\n  ');
  }

  return async (tenant, key, count) => {
    const state = await actors.visitor(tenant, key).state();
    const events = state ? await lastMessages(streamOf(visitorRef(tenant, key)), count) : [];
    if (!state || events.length === 0) return ['Nothing was written yet.'];
    const { profile } = await personal.profileOf(tenant, key, state);
    const visitor = nickOf(key, profile);
    const lines: string[] = [];
    let place = '';
    for (const event of events.toReversed()) {
      const fact = visitorFact(event);
      const said = fact && saidBy(fact, visitor);
      if (!said) continue;
      const { at } = event.metadata;
      const here = `${dayOf(at)}, ${said.chatId === null ? 'no chat' : `chat #${said.chatId}`}:`;
      if (here !== place) lines.push(here);
      place = here;
      lines.push(`${timeOf(at)} ${said.who}: ${await wordsOf(event)}`);
    }
    return textsOf(lines, events.length);
  };
}

const bytes = (text: string): number => Buffer.byteLength(text) + 1;

/** The last lines that there is room for, cut between lines. */
function textsOf(lines: readonly string[], messages: number): readonly string[] {
  const texts: string[][] = [[]];
  let room = MOST_OF_TEXT;
  let left = lines.length;
  for (const line of lines.toReversed()) {
    if (bytes(line) > room) {
      if (texts.length === TEXTS_MOST) break;
      texts.unshift([]);
      room = MOST_OF_TEXT;
    }
    room -= bytes(line);
    texts[0]?.unshift(line);
    left -= 1;
  }
  const what = messages === 1 ? 'The last message' : `The last ${messages} messages`;
  const more = left > 0 ? '; the first of them are left out, they are long' : '';
  return texts.map((text, index) =>
    [...(index === 0 ? [`${what}, times in UTC${more}.`] : []), ...text].join('\n'),
  );
}
