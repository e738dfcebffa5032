/** What people said, as an operator reads it. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { PersonalData } from '../personal-data.ts';
import { asWords } from '../texts/mark.ts';

/** A visitor's words as an operator reads them; null if the visitor was erased, or the fact has no text. */
export async function wordsOf(
  personal: Pick<PersonalData, 'bodyOf'>,
  event: RecordedEvent,
): Promise<string | null> {
  const body = await personal.bodyOf(event);
  return body === null ? null : asWords(body);
}

/** A message of a conversation, with its text. */
export interface Said {
  readonly event: RecordedEvent;
  /** The id of a visitor's message; null for an operator's. */
  readonly messageId: string | null;
  /** The operator who said it; null for the visitor. */
  readonly operator: Username | null;
  /** It corrects an earlier message of the operator. */
  readonly isCorrection: boolean;
  /** As it was said. */
  readonly body: string;
}

/** The messages among these facts; those whose text was erased are left out. */
export async function saidIn(
  personal: Pick<PersonalData, 'bodyOf'>,
  events: readonly RecordedEvent[],
): Promise<Said[]> {
  const said: Said[] = [];
  for (const event of events) {
    const fact = visitorFact(event);
    const body = await personal.bodyOf(event);
    if (!fact || body === null) continue;
    if (fact.type === 'VisitorMessageSent') {
      said.push({
        event,
        messageId: fact.data.messageId,
        operator: null,
        isCorrection: false,
        body,
      });
    } else if (fact.type === 'OperatorMessageReceived') {
      const { operator, replaces } = fact.data;
      said.push({ event, messageId: null, operator, isCorrection: replaces !== undefined, body });
    }
  }
  return said;
}
