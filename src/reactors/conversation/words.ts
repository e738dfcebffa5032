/** What people said, as an operator reads it. */
import { visitorFact } from '../../actors/facts.ts';
import type { Username } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { PersonalData } from '../personal-data.ts';
import { fileIn } from '../texts/files.ts';
import { nameIn, type PersonInLhc } from '../texts/in-lhc.ts';
import type { Shown, VisitorFiles } from './visitor-files.ts';

/**
 * A visitor's message as an operator gets it; null if the visitor was erased, or the fact has no text.
 * @throws {AppError} as {@link VisitorFiles.shown}
 */
export async function shownOf(
  {
    personal,
    files,
  }: { readonly personal: Pick<PersonalData, 'of'>; readonly files: VisitorFiles },
  tenant: Tenant,
  event: RecordedEvent,
): Promise<Shown | null> {
  const opened = await personal.of(event);
  return typeof opened?.body === 'string'
    ? files.shown(tenant, event, { body: opened.body, file: fileIn(opened) })
    : null;
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
  /** As it was said; the address of the file, if it is one. */
  readonly body: string;
  readonly file: { readonly name: string } | null;
}

/**
 * The messages among these facts, in order; those whose text was erased are left out. A corrected one has its newest text,
 * and stands where it was written.
 */
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
    const nobody = {
      messageId: null,
      operator: null,
      inLhc: null,
      isCorrection: false,
      file: null,
    };
    if (fact.type === 'VisitorMessageSent') {
      const { messageId } = fact.data;
      said.push({ ...nobody, event, body, messageId, file: fileIn(opened) });
    } else if (fact.type === 'OperatorMessageReceived') {
      const { operator, replaces, corrects } = fact.data;
      const first = said.findIndex((each) => each.event.revision === corrects);
      const corrected = said[first];
      if (corrected) said[first] = { ...corrected, body, isCorrection: true };
      else said.push({ ...nobody, event, body, operator, isCorrection: replaces !== undefined });
    } else if (fact.type === 'MessageWrittenInLhc') {
      const inLhc = { ...fact.data, name: nameIn(opened) };
      said.push({ ...nobody, event, body, operator: fact.data.operator ?? null, inLhc });
    }
  }
  return said;
}
