/** Schemas of an operator's commands and facts, for those that people write themselves (src/replay). */
import { z } from 'zod';
import { VisitorKey } from '../ids.ts';
import {
  type CommandSchemas,
  command,
  count,
  duration,
  type FactSchemas,
  fact,
  factWith,
  flag,
  text,
} from '../machine/schemas.ts';
import { FIRST_TIER, LAST_TIER } from '../operator-selection.ts';
import type { OperatorCommand } from './decisions.ts';
import type { OperatorFacts, OperatorPersonal } from './facts.ts';

const textOrNull = text.nullable();
const lhcUserId = z.int();
const revision = z.int().min(-1);
const show = z.enum(['available', 'chat', 'away', 'xa', 'dnd']).nullable();
const priority = z.int().exactOptional();
const tier = z.int().min(FIRST_TIER).max(LAST_TIER);
const skills = {
  tier: tier.exactOptional(),
  tiers: z.record(text, tier).exactOptional(),
  languages: z.array(text).exactOptional(),
};
const terms = { department: textOrNull, ownerGrace: duration };
const place = { visitor: VisitorKey, chatId: text };
const session = { session: text, resource: text };

export const OPERATOR_COMMANDS = {
  Register: command('Register', {
    lhcUserId: lhcUserId.nullable(),
    departments: z.array(text),
    capacity: count,
    ...skills,
    name: textOrNull,
    nameChanged: z.boolean(),
    seenRevision: revision.exactOptional(),
  }),
  ClaimAccount: command('ClaimAccount', { adopted: z.boolean() }),
  ReleaseAccountClaim: command('ReleaseAccountClaim', { revision }),
  Remove: command('Remove', {}),
  ReportAccountRemoved: command('ReportAccountRemoved', {}),
  RevokeLhcUser: command('RevokeLhcUser', { lhcUserId }),
  OpenSession: command('OpenSession', session),
  ChangePresence: command('ChangePresence', { ...session, show, status: text, priority }),
  CloseSession: command('CloseSession', { session: text, resource: text.exactOptional() }),
  ReportPing: command('ReportPing', { resource: text, answered: z.boolean() }),
  CompareSessions: command('CompareSessions', {
    sessions: z.array(z.strictObject({ resource: text, show, status: text, priority })),
    ended: z.array(text),
    seenRevision: revision.exactOptional(),
  }),
  SetAvailability: command('SetAvailability', {
    away: z.boolean(),
    visitor: VisitorKey.nullable(),
    messageId: text,
  }),
  ReserveChat: command('ReserveChat', {
    reservation: text,
    ...place,
    departmentCapacity: count.nullable(),
    ...terms,
  }),
  ConfirmChat: command('ConfirmChat', { reservation: textOrNull, ...place, ...terms }),
  ReleaseChat: command('ReleaseChat', { reservation: textOrNull, ...place, reason: text }),
  RefuseMessage: command('RefuseMessage', {
    visitor: VisitorKey.nullable(),
    messageId: text,
    reason: text,
    command: text.exactOptional(),
    retraction: flag.exactOptional(),
  }),
  Summarise: command('Summarise', {
    seenRevision: revision,
    name: textOrNull,
    statuses: z.record(text, text),
  }),
  AskQuestion: command('AskQuestion', {
    visitor: VisitorKey.nullable(),
    messageId: text,
    command: text,
    argument: textOrNull,
    visitors: z.array(VisitorKey).exactOptional(),
    more: count.exactOptional(),
  }),
} satisfies CommandSchemas<OperatorCommand>;

const level = z.enum(['offline', 'available', 'away', 'busy']);
const availability = z.strictObject({ from: level, to: level });

export const OPERATOR_FACTS = {
  OperatorAccountClaimed: fact({ adopted: z.boolean() }),
  OperatorAccountClaimReleased: fact({}),
  OperatorRegistered: factWith(
    {
      lhcUserId: lhcUserId.nullable(),
      departments: z.array(text),
      capacity: count,
      ...skills,
      online: flag.exactOptional(),
      offlineLhcUserId: lhcUserId.exactOptional(),
    },
    { name: text },
  ),
  OperatorLoggedIn: fact({ ...session, availability }),
  PresenceChanged: factWith({ ...session, show, priority, availability }, { status: text }),
  OperatorLoggedOut: fact({ ...session, availability }),
  PresencePaused: fact({}),
  PresenceResumed: fact({}),
  OperatorUnresponsive: fact({ resource: text, availability }),
  OperatorResponsive: fact({ resource: text, availability }),
  AvailabilitySet: fact({
    away: z.boolean(),
    visitor: VisitorKey.nullable(),
    messageId: text,
    availability,
  }),
  OperatorGone: fact({ chats: z.array(text) }),
  ChatReserved: fact({ reservation: text, ...place, ...terms }),
  ChatConfirmed: fact({ reservation: textOrNull, ...place, ...terms }),
  ChatReleased: fact({ reservation: textOrNull, ...place, reason: text }),
  MessageRefused: fact({
    visitor: VisitorKey.nullable(),
    messageId: text,
    reason: text,
    command: text.exactOptional(),
    retraction: flag.exactOptional(),
  }),
  QuestionAsked: fact({
    visitor: VisitorKey.nullable(),
    messageId: text,
    command: text,
    argument: textOrNull,
    visitors: z.array(VisitorKey).exactOptional(),
    more: count.exactOptional(),
  }),
  OperatorRemoved: fact({
    chats: z.array(text).exactOptional(),
    offlineLhcUserId: lhcUserId.exactOptional(),
  }),
  OperatorAccountRemoved: fact({}),
  LhcUserRevoked: fact({ lhcUserId }),
  OperatorSummarised: null,
} satisfies FactSchemas<OperatorFacts, OperatorPersonal>;
