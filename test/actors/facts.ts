/** Facts and commands for tests, with defaults. */
import type { OperatorCommand } from '../../src/actors/operator/decisions.ts';
import type { Change, OperatorFact, Show } from '../../src/actors/operator/facts.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type {
  CloseParty,
  InvitationEnd,
  UnassignReason,
  VisitorDelays,
  VisitorFact,
  VisitorFacts,
} from '../../src/actors/visitor/facts.ts';
import { username, usernameOrNull, visitorKey } from '../support/names.ts';

export const SECOND = 1000;
export const HOUR = 3600 * SECOND;

export const DELAYS: VisitorDelays = {
  hardTimeout: 300 * SECOND,
  cleanupAfter: 24 * HOUR,
  invitationTimeout: 120 * SECOND,
  offerTimeout: 60 * SECOND,
  chatIdle: 24 * HOUR,
};
export const OWNER_GRACE = 90 * SECOND;

export const viewPage = (digest = 'home', delays = DELAYS): VisitorCommand => ({
  type: 'ViewPage',
  digest,
  department: null,
  delays,
  profile: { page: `/${digest}` },
});
export const startChat = (chatId = 'c1', message?: string): VisitorCommand => ({
  type: 'StartChat',
  chatId,
  department: 'sales',
  delays: DELAYS,
  ...(message === undefined ? {} : { message: { id: message, body: 'Hello' } }),
});
export const sendMessage = (messageId = 'm1', chatId: string | null = null): VisitorCommand => ({
  type: 'SendMessage',
  messageId,
  chatId,
  body: 'Hello',
});
/** LHC addresses an operator with a message of this text; null: with a new chat. */
export const address = (
  operator: string,
  text: string | null = 'Hello',
  messageId = 'm1',
  chatId = 'c1',
): Extract<VisitorCommand, { type: 'AddressMessage' }> => ({
  type: 'AddressMessage',
  operator: username(operator),
  chatId,
  department: 'sales',
  message: text === null ? null : { id: messageId, body: text, digest: `digest of ${text}` },
  delays: DELAYS,
});
export const receive = (
  operator = 'op1',
  messageId = 'o1',
  wants: Partial<Extract<VisitorCommand, { type: 'ReceiveOperatorMessage' }>> = {},
): VisitorCommand => ({
  type: 'ReceiveOperatorMessage',
  operator: username(operator),
  messageId,
  body: 'How can I help?',
  ...wants,
});
export const openRoom = (operator = 'op1', ...operators: string[]): VisitorCommand => ({
  type: 'OpenRoom',
  operator: username(operator),
  operators: operators.map(username),
});
/** @param operator null: ejabberd could not make the room of c1 */
export const closeRoom = (operator: string | null = 'op1'): VisitorCommand => ({
  type: 'CloseRoom',
  chatId: operator === null ? 'c1' : null,
  operator: usernameOrNull(operator),
});
export const whisper = (
  operator = 'op1',
  messageId = 'w1',
  more: Partial<Extract<VisitorCommand, { type: 'Whisper' }>> = {},
): VisitorCommand => ({
  type: 'Whisper',
  operator: username(operator),
  messageId,
  body: 'Offer a discount',
  ...more,
});
export const retract = (operator = 'op1', messageId = 'o1'): VisitorCommand => ({
  type: 'RetractOperatorMessage',
  operator: username(operator),
  messageId,
});
export const react = (operator = 'op1', messageId = 'm1', reactions = ['👍']): VisitorCommand => ({
  type: 'ReactToMessage',
  operator: username(operator),
  messageId,
  reactions,
});
export const reactToOperator = (messageId = 'o1', reactions = ['👍']): VisitorCommand => ({
  type: 'ReactToOperatorMessage',
  messageId,
  reactions,
});
export const assignChat = (
  operator = 'op1',
  reservation: string | null = 'r1',
  chatId = 'c1',
): VisitorCommand => ({
  type: 'AssignChat',
  chatId,
  operator: username(operator),
  reservation,
  reason: 'least-loaded',
});
export const offerChat = (...operators: string[]): VisitorCommand => ({
  type: 'OfferChat',
  chatId: 'c1',
  operators: operators.map(username),
  reason: 'broadcast',
});
export const unassignChat = (
  operator: string,
  reason: UnassignReason = 'owner-gone',
): VisitorCommand => ({ type: 'UnassignChat', chatId: 'c1', operator: username(operator), reason });
export const acceptChat = (operator = 'op1'): VisitorCommand => ({
  type: 'AcceptChat',
  operator: username(operator),
});
export const declineChat = (operator = 'op1'): VisitorCommand => ({
  type: 'DeclineChat',
  operator: username(operator),
});
/** To an operator, or to a department, written as `#billing`. `from` null: by LHC. */
export const transferChat = (
  from: string | null,
  to: string,
  reservation: string | null = null,
): VisitorCommand => ({
  type: 'TransferChat',
  chatId: null,
  from: usernameOrNull(from),
  reservation,
  ...receiver(to),
});
const receiver = (to: string) =>
  to.startsWith('#')
    ? { operator: null, department: to.slice(1) }
    : { operator: username(to), department: null };
export const revoke = (reservation: string): VisitorCommand => ({
  type: 'RevokeReservation',
  reservation,
});
export const overflowChat = (department: string, search = 1): VisitorCommand => ({
  type: 'OverflowChat',
  chatId: 'c1',
  search,
  department,
});
export const notifyVisitor = (reason: 'closed' | 'full' = 'closed'): VisitorCommand => ({
  type: 'NotifyVisitor',
  chatId: 'c1',
  reason,
  text: 'We are back at nine.',
  until: null,
});
export const addNote = (operator = 'op1'): VisitorCommand => ({
  type: 'AddNote',
  operator: username(operator),
  noteId: 'n1',
  body: 'Pays by invoice',
});
export const sendCommand = (operator = 'op1'): VisitorCommand => ({
  type: 'SendOperatorCommand',
  operator: username(operator),
  messageId: 'o8',
  command: 'block',
  text: '!block',
});
/** LHC says who has the chat. @param operator who they are in XMPP; @param isOnline whether they have a client there */
export const setOwner = (
  lhcUserId: number,
  accepted = true,
  operator: string | null = null,
  isOnline = operator !== null,
  chatId = 'c1',
): VisitorCommand => ({
  type: 'SetOwner',
  chatId,
  accepted,
  lhcUserId,
  name: 'Olga',
  operator: usernameOrNull(operator),
  isOnline,
});
export const writeInLhc = (
  lhcUserId: number,
  operator: string | null = null,
  isOnline = operator !== null,
  messageId = 'l1',
  chatId = 'c1',
): VisitorCommand => ({
  type: 'WriteInLhc',
  chatId,
  messageId,
  body: 'Hi',
  lhcUserId,
  name: 'Olga',
  operator: usernameOrNull(operator),
  isOnline,
});
export const closeChat = (
  chatId: string | null = 'c1',
  by: CloseParty = 'visitor',
): Extract<VisitorCommand, { type: 'CloseChat' }> => ({
  type: 'CloseChat',
  chatId,
  by,
  reason: null,
});

export const arrived = (
  digest: string | null = 'home',
  delays: VisitorDelays = DELAYS,
): VisitorFact => ({
  type: 'VisitorArrived',
  data: { digest, department: null, delays, told: [] },
  ...(digest === null ? {} : { personal: { page: `/${digest}` } }),
});
export const pageViewed = (digest: string, delays = DELAYS): VisitorFact => ({
  type: 'PageViewed',
  data: { digest, department: null, delays, told: [] },
  personal: { page: `/${digest}` },
});
export const invited = (operator = 'op1'): VisitorFact => ({
  type: 'Invited',
  data: { operator: username(operator), standsMs: DELAYS.invitationTimeout },
});
export const invitationExpired = (
  reason: InvitationEnd = 'not-answered',
  operator = 'op1',
): VisitorFact => ({ type: 'InvitationExpired', data: { operator: username(operator), reason } });
export const chatStarted = (chatId = 'c1', invitedBy: string | null = null): VisitorFact => ({
  type: 'ChatStarted',
  data: {
    chatId,
    department: 'sales',
    invitedBy: usernameOrNull(invitedBy),
    lastOperator: null,
    told: [],
  },
});
/** LHC picks operators; `messageId`: with this message. */
export const chatStartedByLhc = (chatId = 'c1'): VisitorFact => {
  const fact = chatStarted(chatId);
  if (fact.type !== 'ChatStarted') throw new Error('unreachable');
  return { ...fact, data: { ...fact.data, byLhc: true } };
};
export const pickedByLhc = (operator: string, messageId?: string, chatId = 'c1'): VisitorFact => ({
  type: 'ChatOffered',
  data: {
    chatId,
    operators: [username(operator)],
    reason: 'lhc' as const,
    ...(messageId !== undefined && { messageId }),
  },
});
/** A message of the visitor that LHC addresses to this operator first. */
export const messageTo = (
  operator: string,
  messageId = 'm1',
  opens = true,
  text = 'Hello',
  chatId = 'c1',
): VisitorFact => ({
  type: 'VisitorMessageSent',
  data: {
    chatId,
    messageId,
    digest: `digest of ${text}`,
    to: username(operator),
    ...(opens && { opens }),
  },
  personal: { body: text },
});
export const messageAlsoTo = (
  operator: string,
  messageId = 'm1',
  how: { opens?: true; inOpening?: true } = { opens: true },
  revision = 2,
): VisitorFact => ({
  type: 'MessageAddressed',
  data: { chatId: 'c1', messageId, revision, operator: username(operator), ...how },
});
export const chatAssigned = (
  operator = 'op1',
  reservation: string | null = 'r1',
  reason: VisitorFacts['ChatAssigned']['reason'] = 'least-loaded',
  chatId = 'c1',
  withdrawnFrom?: string[],
): VisitorFact => ({
  type: 'ChatAssigned',
  data: {
    chatId,
    operator: username(operator),
    reservation,
    reason,
    ...(withdrawnFrom && { withdrawnFrom: withdrawnFrom.map(username) }),
  },
});
export const chatOffered = (...operators: string[]): VisitorFact => ({
  type: 'ChatOffered',
  data: { chatId: 'c1', operators: operators.map(username), reason: 'broadcast' },
});
export const chatUnassigned = (
  reason: UnassignReason,
  operators: string[],
  broadcast?: true,
): VisitorFact => ({
  type: 'ChatUnassigned',
  data: {
    chatId: 'c1',
    operators: operators.map(username),
    reason,
    ...(broadcast && { broadcast }),
  },
});
/** @param to as in `transferChat` */
export const chatTransferred = (
  from: string | null,
  to: string,
  by: 'operator' | 'lhc' = 'operator',
  reservation: string | null = null,
  withdrawnFrom?: string[],
): VisitorFact => ({
  type: 'ChatTransferred',
  data: {
    chatId: 'c1',
    from: usernameOrNull(from),
    ...receiver(to),
    reservation,
    by,
    ...(withdrawnFrom && { withdrawnFrom: withdrawnFrom.map(username) }),
  },
});
export const overflowed = (from: string, to: string): VisitorFact => ({
  type: 'ChatTransferred',
  data: {
    chatId: 'c1',
    from: null,
    operator: null,
    department: to,
    reservation: null,
    by: 'overflow',
    fromDepartment: from,
  },
});
export const notified = (reason: 'closed' | 'full' = 'closed'): VisitorFact => ({
  type: 'VisitorNotified',
  data: { chatId: 'c1', reason, text: 'We are back at nine.', until: null },
});
export const revoked = (reservation: string): VisitorFact => ({
  type: 'ReservationRevoked',
  data: { reservation },
});
export const chatAccepted = (operator = 'op1', byCommand?: true): VisitorFact => ({
  type: 'ChatAccepted',
  data: { chatId: 'c1', operator: username(operator), ...(byCommand && { byCommand }) },
});
export const takenInLhc = (
  lhcUserId = 7,
  accepted = true,
  from: string | null = null,
): VisitorFact => ({
  type: 'ChatTakenInLhc',
  data: { chatId: 'c1', lhcUserId, accepted, from: usernameOrNull(from) },
  personal: { name: 'Olga' },
});
export const writtenInLhc = (
  lhcUserId = 7,
  to?: string,
  operator?: string,
  messageId = 'l1',
): VisitorFact => ({
  type: 'MessageWrittenInLhc',
  data: {
    chatId: 'c1',
    messageId,
    lhcUserId,
    ...(operator !== undefined && { operator: username(operator) }),
    ...(to !== undefined && { to: username(to) }),
  },
  personal: { name: 'Olga', body: 'Hi' },
});
export const visitorMessage = (messageId = 'm1', chatId = 'c1'): VisitorFact => ({
  type: 'VisitorMessageSent',
  data: { chatId, messageId },
  personal: { body: 'Hello' },
});
export const operatorMessage = (
  chatId: string | null = 'c1',
  operator = 'op1',
  messageId = 'o1',
  markable?: true,
): VisitorFact => ({
  type: 'OperatorMessageReceived',
  data: {
    operator: username(operator),
    messageId,
    chatId,
    invitation: chatId === null,
    ...(markable && { markable }),
  },
  personal: { body: 'How can I help?' },
});
/** A correction of the message at `corrects`. */
export const correction = (
  corrects: number,
  messageId = 'o2',
  replaces = 'o1',
  chatId: string | null = 'c1',
): VisitorFact => {
  const { data, personal } = operatorMessage(chatId, 'op1', messageId) as Extract<
    VisitorFact,
    { type: 'OperatorMessageReceived' }
  >;
  return { type: 'OperatorMessageReceived', data: { ...data, replaces, corrects }, personal };
};
export const retracted = (
  revision: number,
  messageId = 'o1',
  chatId: string | null = 'c1',
): VisitorFact => ({
  type: 'OperatorMessageRetracted',
  data: { operator: username('op1'), messageId, revision, chatId },
});
export const roomOpened = (operator = 'op1', ...others: string[]): VisitorFact => ({
  type: 'RoomOpened',
  data: {
    chatId: 'c1',
    operator: username(operator),
    members: [operator, ...others].map(username),
  },
});
export const roomJoined = (by: string | null, ...operators: string[]): VisitorFact => ({
  type: 'RoomJoined',
  data: { chatId: 'c1', operators: operators.map(username), by: usernameOrNull(by) },
});
export const roomClosed = (by: string | null = 'op1'): VisitorFact => ({
  type: 'RoomClosed',
  data: { chatId: 'c1', by: usernameOrNull(by) },
});
export const whispered = (
  operator = 'op1',
  messageId = 'w1',
  more: Partial<VisitorFacts['Whispered']> = {},
): VisitorFact => ({
  type: 'Whispered',
  data: { chatId: 'c1', operator: username(operator), messageId, ...more },
  personal: { body: 'Offer a discount' },
});
/** The first message of an invitation. */
export const invitingMessage = (operator = 'op1', messageId = 'o1'): VisitorFact => ({
  type: 'OperatorMessageReceived',
  data: {
    operator: username(operator),
    messageId,
    chatId: null,
    invitation: true,
    invites: true,
  },
  personal: { body: 'How can I help?' },
});
/** LHC refuses what an operator wrote. */
export const refuseByLhc = (
  more: Partial<Extract<VisitorCommand, { type: 'ReportLhcRefusal' }>> = {},
): VisitorCommand => ({
  type: 'ReportLhcRefusal',
  operator: username('op1'),
  revision: 2,
  refused: { messageId: 'o1' },
  chatId: 'c1',
  code: 'chat-ended',
  text: null,
  ...more,
});
export const delivered = (messageIds: string[], chatId = 'c1'): VisitorFact => ({
  type: 'MessageDelivered',
  data: { messageIds, by: 'ping', chatId },
});
export const chatClosed = (
  operator: string | null = 'op1',
  by: CloseParty = 'visitor',
  reason: string | null = null,
  withdrawnFrom?: string[],
): VisitorFact => ({
  type: 'ChatClosed',
  data: {
    chatId: 'c1',
    operator: usernameOrNull(operator),
    by,
    reason,
    ...(withdrawnFrom && { withdrawnFrom: withdrawnFrom.map(username) }),
  },
});
export const timedOut = (lastSeen = 0, chatId?: string): VisitorFact => ({
  type: 'TimedOut',
  data: { lastSeen, ...(chatId !== undefined && { chatId }) },
});
export const cleanedUp = (lastSeen = 0): VisitorFact => ({
  type: 'CleanedUp',
  data: { lastSeen },
});

/** The terms of all chats here. */
const TERMS = { department: 'sales', ownerGrace: OWNER_GRACE };

export const register = (
  capacity = 2,
  departments = ['sales'],
): Extract<OperatorCommand, { type: 'Register' }> => ({
  type: 'Register',
  lhcUserId: 7,
  departments,
  capacity,
  name: 'Ada',
  nameChanged: false,
});
export const openSession = (session = 's1', resource = 'gajim'): OperatorCommand => ({
  type: 'OpenSession',
  session,
  resource,
});
export const changePresence = (
  show: Show,
  session = 's1',
  resource = 'gajim',
  priority = 0,
): OperatorCommand => ({ type: 'ChangePresence', session, resource, show, status: '', priority });
export const closeSession = (session = 's1', resource?: string): OperatorCommand => ({
  type: 'CloseSession',
  session,
  ...(resource !== undefined && { resource }),
});
export const compare = (
  sessions: Extract<OperatorCommand, { type: 'CompareSessions' }>['sessions'],
  ended: readonly string[] = [],
): OperatorCommand => ({ type: 'CompareSessions', sessions, ended });
export const reserve = (
  reservation = 'r1',
  chatId = 'c1',
  department = 'sales',
  departmentCapacity: number | null = null,
): OperatorCommand => ({
  type: 'ReserveChat',
  reservation,
  visitor: visitorKey('v1'),
  chatId,
  departmentCapacity,
  ...TERMS,
  department,
});
export const take = (reservation: string | null = 'r1', chatId = 'c1'): OperatorCommand => ({
  type: 'ConfirmChat',
  reservation,
  visitor: visitorKey('v1'),
  chatId,
  ...TERMS,
});
export const release = (reservation: string | null = 'r1', chatId = 'c1'): OperatorCommand => ({
  type: 'ReleaseChat',
  reservation,
  visitor: visitorKey('v1'),
  chatId,
  reason: 'closed',
});

export const setAvailability = (
  away: boolean,
): Extract<OperatorCommand, { type: 'SetAvailability' }> => ({
  type: 'SetAvailability',
  away,
  visitor: visitorKey('v1'),
  messageId: 'o7',
});

export const askQuestion = (
  command: string,
): Extract<OperatorCommand, { type: 'AskQuestion' }> => ({
  type: 'AskQuestion',
  visitor: visitorKey('v1'),
  messageId: 'o6',
  command,
  argument: null,
});

export const registered = (capacity = 2): OperatorFact => ({
  type: 'OperatorRegistered',
  data: { lhcUserId: 7, departments: ['sales'], capacity },
  personal: { name: 'Ada' },
});
/** `offline>available` */
const change = (text: string): Change => {
  const [from, to] = text.split('>');
  return { from, to } as Change; // written in the tests, compared with what the machine says
};
export const loggedIn = (
  availability = 'offline>offline',
  session = 's1',
  resource = 'gajim',
): OperatorFact => ({
  type: 'OperatorLoggedIn',
  data: { session, resource, availability: change(availability) },
});
export const presence = (
  show: Show,
  availability: string,
  session = 's1',
  resource = 'gajim',
  priority = 0,
): OperatorFact => ({
  type: 'PresenceChanged',
  data: {
    session,
    resource,
    show,
    ...(priority && { priority }),
    availability: change(availability),
  },
  personal: { status: '' },
});
export const loggedOut = (
  availability: string,
  session = 's1',
  resource = 'gajim',
): OperatorFact => ({
  type: 'OperatorLoggedOut',
  data: { session, resource, availability: change(availability) },
});
export const responds = (
  answered: boolean,
  availability: string,
  resource = 'gajim',
): OperatorFact => ({
  type: answered ? 'OperatorResponsive' : 'OperatorUnresponsive',
  data: { resource, availability: change(availability) },
});
export const reserved = (
  reservation = 'r1',
  chatId = 'c1',
  department = 'sales',
): OperatorFact => ({
  type: 'ChatReserved',
  data: { reservation, visitor: visitorKey('v1'), chatId, ...TERMS, department },
});
export const taken = (reservation: string | null = 'r1', chatId = 'c1'): OperatorFact => ({
  type: 'ChatConfirmed',
  data: { reservation, visitor: visitorKey('v1'), chatId, ...TERMS },
});
export const availabilitySet = (away: boolean, availability: string): OperatorFact => ({
  type: 'AvailabilitySet',
  data: { away, visitor: visitorKey('v1'), messageId: 'o7', availability: change(availability) },
});
export const gone = (...chats: string[]): OperatorFact => ({
  type: 'OperatorGone',
  data: { chats },
});
export const removed = (...chats: string[]): OperatorFact => ({
  type: 'OperatorRemoved',
  data: chats.length > 0 ? { chats } : {},
});
export const released = (reservation: string | null = 'r1', chatId = 'c1'): OperatorFact => ({
  type: 'ChatReleased',
  data: { reservation, visitor: visitorKey('v1'), chatId, reason: 'closed' },
});
