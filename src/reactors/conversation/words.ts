/** What people said, as an operator reads it. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { PersonalData } from '../personal-data.ts';
import { nameIn, type PersonInLhc } from '../texts/in-lhc.ts';
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
  /** The id of a visitor's message; null for all others. */
  readonly messageId: string | null;
  /** The registered operator who said it; null for the visitor, and for others in LHC. */
  readonly operator: Username | null;
  /** It was written in LHC's own pages, by this person. */
  readonly inLhc: (PersonInLhc & { readonly name: string | undefined }) | null;
  /** It corrects an earlier message of the operator. */
  readonly isCorrection: boolean;
  /** As it was said. */
  readonly body: string;
}

/** The messages among these facts; those whose text was erased are left out. */
export async function saidIn(
  personal: Pick<PersonalData, 'of'>,
  events: readonly RecordedEvent[],
): Promise<Said[]> {
  const said: Said[] = [];
  for (const event of events) {
    const fact = visitorFact(event);
    const opened = await personal.of(event);
    if (!fact || typeof opened?.body !== 'string') continue;
    const { body } = opened;
    const nobody = { messageId: null, operator: null, inLhc: null, isCorrection: false };
    if (fact.type === 'VisitorMessageSent') {
      said.push({ ...nobody, event, body, messageId: fact.data.messageId });
    } else if (fact.type === 'OperatorMessageReceived') {
      const { operator, replaces } = fact.data;
      said.push({ ...nobody, event, body, operator, isCorrection: replaces !== undefined });
    } else if (fact.type === 'MessageWrittenInLhc') {
      const inLhc = { ...fact.data, name: nameIn(opened) };
      said.push({ ...nobody, event, body, operator: fact.data.operator ?? null, inLhc });
    }
  }
  return said;
}
