/** Schemas of a visitor's commands and facts, for those that people write themselves (src/replay). */
import { z } from 'zod';
import { Username } from '../ids.ts';
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
  time,
} from '../machine/schemas.ts';
import { POLICIES } from '../operator-selection.ts';
import type { VisitorCommand } from './decisions.ts';
import type { VisitorFacts, VisitorPersonal } from './facts.ts';

const textOrNull = text.nullable();
const operatorOrNull = Username.nullable();
const lhcUserId = z.int();
const revision = count;

const delays = z.strictObject({
  hardTimeout: duration,
  cleanupAfter: duration,
  invitationTimeout: duration,
  offerTimeout: duration,
  chatIdle: duration,
});
const told = z.array(z.enum(['name', 'place', 'timezone', 'visits', 'vid']));
const PROFILE = {
  page: text.exactOptional(),
  title: text.exactOptional(),
  referrer: text.exactOptional(),
  nick: text.exactOptional(),
  country: text.exactOptional(),
  city: text.exactOptional(),
  timezone: text.exactOptional(),
  visits: z.number().exactOptional(),
  vid: text.exactOptional(),
  statusText: text.exactOptional(),
};
const pickReason = z.enum(['invited', 'last-served', 'handed-back', ...POLICIES]);
const considered = z
  .strictObject({
    free: count,
    language: text.exactOptional(),
    first: z.array(
      z.strictObject({
        operator: Username,
        chats: count,
        capacity: count,
        tier: count.exactOptional(),
        speaks: flag.exactOptional(),
      }),
    ),
  })
  .exactOptional();
const party = z.enum(['visitor', 'operator', 'system']);
const unassignReason = z.enum([
  'missed',
  'declined',
  'offline',
  'owner-gone',
  'operator-removed',
  'refused',
]);
const refusedMessage = z.strictObject({ messageId: text, command: text.exactOptional() });
const refusedChange = z.strictObject({
  change: z.enum(['accept', 'transfer', 'close', 'retract', 'react']),
});
const refused = z.union([refusedMessage, refusedChange]);
const refusal = { operator: Username, revision, code: text, chatId: textOrNull };

const pick = {
  chatId: text,
  search: revision.exactOptional(),
  reason: pickReason,
  considered,
};
const notice = {
  chatId: text,
  reason: z.enum(['closed', 'full']),
  text,
  until: time.nullable(),
};
const language = text.exactOptional();
const person = {
  lhcUserId,
  name: text.optional(),
  operator: operatorOrNull,
  isOnline: z.boolean(),
};

const file = z
  .strictObject({ name: text, type: text.exactOptional(), size: count.exactOptional() })
  .exactOptional();

export const VISITOR_COMMANDS = {
  ViewPage: command('ViewPage', {
    digest: text,
    department: textOrNull,
    language: textOrNull.exactOptional(),
    delays,
    profile: z.strictObject(PROFILE),
  }),
  StartChat: command('StartChat', {
    chatId: text,
    department: textOrNull,
    nick: text.optional(),
    language: text.optional(),
    message: z
      .strictObject({ id: text, body: text, digest: text.exactOptional(), file })
      .optional(),
    delays,
  }),
  SendMessage: command('SendMessage', {
    messageId: text,
    chatId: textOrNull,
    body: text,
    digest: text.exactOptional(),
    file,
  }),
  ReceiveOperatorMessage: command('ReceiveOperatorMessage', {
    operator: Username,
    messageId: text,
    body: text,
    receipt: z.boolean().exactOptional(),
    markable: z.boolean().exactOptional(),
    replaces: text.exactOptional(),
    reply: z.strictObject({ to: text, plain: text }).exactOptional(),
    room: z.boolean().exactOptional(),
    canned: z.boolean().exactOptional(),
    onlyChat: text.exactOptional(),
  }),
  RetractOperatorMessage: command('RetractOperatorMessage', {
    operator: Username,
    messageId: text,
    room: z.boolean().exactOptional(),
  }),
  ReactToMessage: command('ReactToMessage', {
    operator: Username,
    messageId: text,
    reactions: z.array(text),
    room: z.boolean().exactOptional(),
  }),
  ReactToOperatorMessage: command('ReactToOperatorMessage', {
    messageId: text,
    reactions: z.array(text),
  }),
  OpenRoom: command('OpenRoom', { operator: Username, operators: z.array(Username) }),
  CloseRoom: command('CloseRoom', { chatId: textOrNull, operator: operatorOrNull }),
  Whisper: command('Whisper', {
    operator: Username,
    messageId: text,
    body: text,
    room: z.boolean().exactOptional(),
    replaces: text.exactOptional(),
  }),
  AddNote: command('AddNote', { operator: Username, noteId: text, body: text }),
  SendOperatorCommand: command('SendOperatorCommand', {
    operator: Username,
    messageId: text,
    command: text,
    text,
  }),
  AnswerOperator: command('AnswerOperator', {
    operator: Username,
    text: textOrNull,
    notice: text.exactOptional(),
  }),
  ReportLhcRefusal: command('ReportLhcRefusal', {
    operator: Username,
    revision,
    refused,
    chatId: textOrNull,
    code: text,
    text: textOrNull,
    invites: z.boolean().exactOptional(),
  }),
  CloseChat: command('CloseChat', {
    chatId: textOrNull,
    by: party,
    reason: textOrNull,
    operator: Username.exactOptional(),
    name: text.optional(),
  }),
  AddressMessage: command('AddressMessage', {
    operator: Username,
    chatId: text,
    department: textOrNull,
    nick: text.optional(),
    message: z.strictObject({ id: text, body: text, digest: text }).nullable(),
    delays,
  }),
  AssignChat: command('AssignChat', { ...pick, operator: Username, reservation: textOrNull }),
  OfferChat: command('OfferChat', { ...pick, operators: z.array(Username) }),
  UnassignChat: command('UnassignChat', {
    chatId: text,
    operator: Username,
    reason: unassignReason,
  }),
  AcceptChat: command('AcceptChat', { operator: Username, room: z.boolean().exactOptional() }),
  DeclineChat: command('DeclineChat', { operator: Username }),
  TransferChat: command('TransferChat', {
    chatId: textOrNull,
    from: operatorOrNull,
    operator: operatorOrNull,
    department: textOrNull,
    reservation: textOrNull,
    name: text.optional(),
  }),
  RevokeReservation: command('RevokeReservation', { reservation: text }),
  OverflowChat: command('OverflowChat', { chatId: text, search: revision, department: text }),
  NotifyVisitor: command('NotifyVisitor', notice),
  SetOwner: command('SetOwner', { chatId: text, accepted: z.boolean(), ...person }),
  WriteInLhc: command('WriteInLhc', { chatId: text, messageId: text, body: text, ...person }),
  TimeOut: command('TimeOut', {}),
  CleanUp: command('CleanUp', {}),
  ApplyRetention: command('ApplyRetention', { before: revision }),
  Forget: command('Forget', { revision }),
  ErasePersonalData: command('ErasePersonalData', { alsoElsewhere: z.boolean().exactOptional() }),
  ReportDataKeyDestroyed: command('ReportDataKeyDestroyed', { generation: count }),
  ReportAccountReady: command('ReportAccountReady', {}),
  ReportLoggedIn: command('ReportLoggedIn', {}),
  ReportLoggedOut: command('ReportLoggedOut', { reason: text }),
  ReportSessionFailed: command('ReportSessionFailed', { reason: text }),
  ReportMessageTaken: command('ReportMessageTaken', {
    messageIds: z.array(text),
    operator: Username.exactOptional(),
  }),
  ReportMessageDelivered: command('ReportMessageDelivered', {
    messageIds: z.array(text),
    by: text,
    operator: Username.exactOptional(),
  }),
  ReportMessageDisplayed: command('ReportMessageDisplayed', {
    messageId: text,
    operator: Username,
  }),
  ReportOperatorMessageAccepted: command('ReportOperatorMessageAccepted', {
    messageId: text,
    operator: Username,
  }),
  ReportOperatorMessageDisplayed: command('ReportOperatorMessageDisplayed', { messageId: text }),
  ReportMessageFailed: command('ReportMessageFailed', {
    messageId: text,
    reason: text,
    operator: Username.exactOptional(),
    unreachable: flag.exactOptional(),
  }),
} satisfies CommandSchemas<VisitorCommand>;

const withdrawnFrom = z.array(Username).exactOptional();
const opens = flag.exactOptional();
const byLhc = z.literal('lhc').exactOptional();
const name = text.exactOptional();

export const VISITOR_FACTS = {
  VisitorArrived: factWith(
    {
      digest: textOrNull,
      department: textOrNull,
      delays,
      language,
      told: told.exactOptional(),
      generation: count.exactOptional(),
    },
    PROFILE,
  ),
  PageViewed: factWith(
    { digest: text, department: textOrNull, delays, language, told: told.exactOptional() },
    PROFILE,
  ),
  AccountReady: fact({}),
  LoggedIn: fact({}),
  LoggedOut: fact({ reason: text }),
  SessionFailed: fact({ reason: text }),
  Invited: fact({ operator: Username, standsMs: duration.exactOptional() }),
  InvitationExpired: fact({
    operator: operatorOrNull,
    reason: z.enum(['not-answered', 'visitor-left', 'refused']).exactOptional(),
  }),
  ChatStarted: factWith(
    {
      chatId: text,
      department: textOrNull,
      invitedBy: operatorOrNull,
      lastOperator: operatorOrNull,
      language,
      told: told.exactOptional(),
      byLhc: flag.exactOptional(),
    },
    { nick: text.exactOptional() },
  ),
  ChatOffered: fact({
    chatId: text,
    operators: z.array(Username),
    reason: z.enum([...pickReason.options, 'lhc']),
    considered,
    messageId: text.exactOptional(),
  }),
  ChatAssigned: fact({
    chatId: text,
    operator: Username,
    reservation: textOrNull,
    reason: z.enum([...pickReason.options, 'answered', 'taken']),
    considered,
    withdrawnFrom,
    opens,
    by: byLhc,
  }),
  ReservationRevoked: fact({ reservation: text }),
  ChatAccepted: fact({
    chatId: text,
    operator: Username,
    byCommand: flag.exactOptional(),
    by: byLhc,
  }),
  ChatTakenInLhc: factWith(
    {
      chatId: text,
      lhcUserId,
      accepted: z.boolean(),
      operator: Username.exactOptional(),
      from: operatorOrNull,
      withdrawnFrom,
    },
    { name },
  ),
  MessageWrittenInLhc: factWith(
    {
      chatId: text,
      messageId: text,
      lhcUserId,
      operator: Username.exactOptional(),
      to: Username.exactOptional(),
    },
    { name, body: text },
  ),
  ChatUnassigned: fact({
    chatId: text,
    operators: z.array(Username),
    reason: unassignReason,
    broadcast: flag.exactOptional(),
    again: z.array(Username).exactOptional(),
  }),
  ChatTransferred: factWith(
    {
      chatId: text,
      from: operatorOrNull,
      operator: operatorOrNull,
      department: textOrNull,
      reservation: textOrNull,
      by: z.enum(['operator', 'lhc', 'overflow']),
      taken: flag.exactOptional(),
      fromDepartment: text.exactOptional(),
      withdrawnFrom,
    },
    { name },
  ),
  VisitorNotified: fact(notice),
  VisitorMessageSent: factWith(
    {
      chatId: text,
      messageId: text,
      digest: text.exactOptional(),
      to: Username.exactOptional(),
      opens,
    },
    { body: text, file },
  ),
  MessageAddressed: fact({
    chatId: text,
    messageId: text,
    revision,
    operator: Username,
    opens,
    inOpening: flag.exactOptional(),
  }),
  MessageReturned: fact({ messageId: text, operator: Username, reason: text }),
  OperatorMessageReceived: factWith(
    {
      operator: Username,
      messageId: text,
      chatId: textOrNull,
      invitation: z.boolean(),
      receipt: flag.exactOptional(),
      markable: flag.exactOptional(),
      replaces: text.exactOptional(),
      insteadOf: text.exactOptional(),
      corrects: revision.exactOptional(),
      replyTo: text.exactOptional(),
      invites: flag.exactOptional(),
      room: flag.exactOptional(),
      toRoom: flag.exactOptional(),
    },
    { body: text, plain: text.exactOptional() },
  ),
  OperatorMessageRetracted: fact({
    operator: Username,
    messageId: text,
    revision,
    chatId: textOrNull,
    toRoom: flag.exactOptional(),
  }),
  MessageReacted: factWith(
    { operator: Username, messageId: text, chatId: text },
    { reactions: z.array(text) },
  ),
  OperatorMessageReacted: factWith(
    { operator: Username, messageId: text, revision, first: flag.exactOptional() },
    { reactions: z.array(text) },
  ),
  OperatorMessageAccepted: fact({ operator: Username, messageId: text }),
  OperatorMessageDisplayed: fact({ operator: Username, messageId: text }),
  MessageDisplayed: fact({ operator: Username, messageId: text, chatId: textOrNull }),
  RoomOpened: fact({ chatId: text, operator: Username, members: z.array(Username) }),
  RoomJoined: fact({ chatId: text, operators: z.array(Username), by: operatorOrNull }),
  RoomClosed: fact({ chatId: text, by: operatorOrNull }),
  Whispered: factWith(
    {
      chatId: text,
      operator: Username,
      messageId: text,
      room: flag.exactOptional(),
      toRoom: flag.exactOptional(),
      to: Username.exactOptional(),
      corrects: revision.exactOptional(),
      insteadOf: text.exactOptional(),
    },
    { body: text },
  ),
  NoteAdded: factWith({ chatId: text, operator: Username, noteId: text }, { body: text }),
  OperatorCommandSent: factWith(
    { chatId: text, operator: Username, messageId: text, command: text },
    { text },
  ),
  LhcAnswered: factWith(
    { operator: Username, notice: text.exactOptional() },
    { text: text.exactOptional() },
  ),
  LhcRefused: {
    data: z.union([
      z.strictObject({ ...refusal, ...refusedMessage.shape }),
      z.strictObject({ ...refusal, ...refusedChange.shape }),
    ]),
    personal: z.strictObject({ text: text.exactOptional() }),
  },
  MessageTaken: fact({ messageIds: z.array(text), operator: Username.exactOptional() }),
  MessageDelivered: fact({ messageIds: z.array(text), by: text, chatId: textOrNull }),
  MessageFailed: fact({
    messageId: text,
    reason: text,
    chatId: textOrNull,
    returned: flag.exactOptional(),
  }),
  ChatClosed: factWith(
    {
      chatId: text,
      operator: operatorOrNull,
      by: party,
      reason: textOrNull,
      withdrawnFrom,
      closer: Username.exactOptional(),
    },
    { name, reason: name },
  ),
  TimedOut: fact({ lastSeen: time, chatId: text.exactOptional() }),
  // What it keeps is the state that it meets. A fact that is made up has none of it.
  CleanedUp: fact({
    lastSeen: time,
    silent: z.strictObject({ account: z.boolean(), loggedIn: z.boolean() }).exactOptional(),
  }),
  RetentionApplied: fact({
    before: revision,
    generation: count.exactOptional(),
  }),
  PersonalDataErased: fact({ generation: count }),
  DataKeyDestroyed: fact({ generation: count }),
} satisfies FactSchemas<VisitorFacts, VisitorPersonal>;
