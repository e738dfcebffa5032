/** The lines that tell operators what has happened to a chat, with people's names. */
import type { VisitorFact, VisitorFacts } from '../../actors/visitor/facts.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { OperatorNames } from '../operator-names.ts';
import type { PersonalData } from '../personal-data.ts';
import { namedInLhc, nameIn, personInLhc } from '../texts/in-lhc.ts';
import { lineOfNotice, lineOfRefusal } from '../texts/lhc-answers.ts';
import { type Notice, noticesOf } from '../texts/notices.ts';
import { visitorAs } from '../texts/presence-text.ts';
import { roomNoticeOf } from '../texts/room.ts';
import type { Sender } from './delivery.ts';

/** Facts that may have the name of somebody in LHC. */
const NAMES_IN_LHC: ReadonlySet<string> = new Set([
  'ChatTakenInLhc',
  'ChatTransferred',
  'ChatClosed',
]);

/** The notices of a fact, with people's names. */
export async function writeNotices(
  {
    personal,
    names,
  }: {
    personal: Pick<PersonalData, 'of' | 'reasonOf' | 'profileOf'>;
    names: Pick<OperatorNames, 'of'>;
  },
  { tenant, key }: Sender,
  state: VisitorState,
  event: RecordedEvent,
  fact: VisitorFact,
): Promise<readonly Notice[]> {
  if (fact.type === 'LhcAnswered' || fact.type === 'LhcRefused') {
    const said = (await personal.of(event))?.text; // erased with the visitor
    const text = typeof said === 'string' ? said : null;
    const line =
      fact.type === 'LhcRefused'
        ? lineOfRefusal(fact.data, text)
        : lineOfNotice(fact.data.notice, text);
    return line === null ? [] : [{ to: fact.data.operator, text: line }];
  }
  const { of: nameOf } = await names.of(tenant.id);
  const namesInLhc = NAMES_IN_LHC.has(fact.type);
  const name = namesInLhc ? nameIn(await personal.of(event)) : undefined;
  const inLhc =
    fact.type === 'ChatTakenInLhc'
      ? personInLhc(fact.data, name, nameOf)
      : name && namedInLhc(name);
  const namesVisitor = fact.type === 'ChatClosed' || fact.type === 'InvitationExpired';
  const profile = namesVisitor ? (await personal.profileOf(tenant.id, key, state)).profile : {};
  const visitor = profile.nick ? visitorAs(key, profile) : 'The visitor';
  const told =
    fact.type === 'ChatClosed'
      ? { ...fact, data: { ...fact.data, reason: await reasonOf(personal, event, fact.data) } }
      : fact;
  return noticesOf(told, nameOf, visitor, state.context.inviter, inLhc || null);
}

/** What those in the chat's room read of a fact; null if it says nothing to them. */
export async function writeRoomNotice(
  { personal, names }: { personal: Pick<PersonalData, 'of'>; names: Pick<OperatorNames, 'of'> },
  { tenant }: Sender,
  event: RecordedEvent,
  fact: VisitorFact,
): Promise<string | null> {
  const { of: nameOf } = await names.of(tenant.id);
  const opened = await personal.of(event);
  const text = fact.type === 'LhcRefused' ? opened?.text : null;
  const inLhc =
    fact.type === 'ChatTakenInLhc' ? personInLhc(fact.data, nameIn(opened), nameOf) : null;
  return roomNoticeOf(fact, nameOf, inLhc, typeof text === 'string' ? text : null);
}

const reasonOf = async (
  personal: Pick<PersonalData, 'reasonOf'>,
  event: RecordedEvent,
  { reason }: VisitorFacts['ChatClosed'],
): Promise<string | null> => (await personal.reasonOf(event)) ?? reason;
