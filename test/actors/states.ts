/** The states that the matrix asks every command in, each reached by facts; and every command with its variants. */
import type { Fact, Wake } from '../../src/actors/decider.ts';
import type { OperatorCommand } from '../../src/actors/operator-decisions.ts';
import type { TenantCommand } from '../../src/actors/tenant.ts';
import type { VisitorCommand } from '../../src/actors/visitor-decisions.ts';
import {
  arrived,
  assignChat,
  changePresence,
  chatAccepted,
  chatAssigned,
  chatClosed,
  chatStarted,
  cleanedUp,
  closeChat,
  closeSession,
  compare,
  delivered,
  invited,
  loggedIn,
  loggedOut,
  openSession,
  operatorMessage,
  presence,
  receive,
  register,
  registered,
  release,
  reserve,
  reserved,
  responds,
  sendMessage,
  startChat,
  take,
  taken,
  timedOut,
  viewPage,
  visitorMessage,
} from './facts.ts';

const WAKE: Wake = { type: 'Wake' };
const waiting = [arrived(), chatStarted()];
const assigned = [...waiting, chatAssigned()];
const chatting = [...assigned, chatAccepted(), operatorMessage()];

export const VISITOR_STATES: Record<string, readonly Fact[]> = {
  unknown: [],
  browsing: [arrived()],
  'browsing, logged in': [arrived(), { type: 'LoggedIn', data: {} }],
  'browsing, no session to be had': [
    arrived(),
    { type: 'SessionFailed', data: { reason: 'not authorized' } },
  ],
  'invited by op1': [arrived(), invited(), operatorMessage(null)],
  'waiting in c1': waiting,
  'waiting, r1 revoked': [...waiting, { type: 'ReservationRevoked', data: { reservation: 'r1' } }],
  'assigned to op1 by r1': assigned,
  'assigned, message m1 open': [...assigned, visitorMessage()],
  'chatting with op1': chatting,
  'chatting, nobody routed it': [
    ...waiting,
    chatAssigned('op1', null, 'answered'),
    chatAccepted(),
    operatorMessage(),
  ],
  'chatting, message m1 taken': [
    ...chatting,
    visitorMessage(),
    { type: 'MessageTaken', data: { messageIds: ['m1'] } },
  ],
  'chatting, message m1 delivered': [...chatting, visitorMessage(), delivered(['m1'])],
  'c1 closed, browsing': [...chatting, chatClosed()],
  'c1 closed, invited again': [...chatting, chatClosed(), invited(), operatorMessage(null)],
  'c1 closed with m1 open, waiting in c2': [
    ...chatting,
    visitorMessage(),
    chatClosed(),
    chatStarted('c2'),
  ],
  'timed out': [arrived(), timedOut()],
  'timed out after c1': [...chatting, chatClosed(), timedOut()],
  'cleaned up': [arrived(), timedOut(), cleanedUp()],
  'cleaned up with m1 open': [...chatting, visitorMessage(), chatClosed(), timedOut(), cleanedUp()],
  'back again': [arrived(), timedOut(), cleanedUp(), arrived()],
};

/** At the time of the last fact; `Wake` much later, when everything is due. */
export const VISITOR_COMMANDS: Record<string, VisitorCommand | Wake> = {
  'ViewPage the same': viewPage('home'),
  'ViewPage another': viewPage('prices'),
  'StartChat c1': startChat('c1'),
  'StartChat c1 with m1': startChat('c1', 'm1'),
  'StartChat c2': startChat('c2'),
  'SendMessage m1': sendMessage('m1'),
  'SendMessage m2 to c1': sendMessage('m2', 'c1'),
  'SendMessage m2 to c2': sendMessage('m2', 'c2'),
  'ReceiveOperatorMessage from op1': receive('op1', 'o9'),
  'ReceiveOperatorMessage from op2': receive('op2', 'o9'),
  'AssignChat c1 to op1 by r1': assignChat('op1', 'r1'),
  'AssignChat c1 to op1 by r2': assignChat('op1', 'r2'),
  'AssignChat c1 to op2 by r2': assignChat('op2', 'r2'),
  'AssignChat c1 to op2, LHC says so': assignChat('op2', null),
  'AssignChat c2 to op1 by r3': assignChat('op1', 'r3', 'c2'),
  'RevokeReservation r1': { type: 'RevokeReservation', reservation: 'r1' },
  'RevokeReservation r2': { type: 'RevokeReservation', reservation: 'r2' },
  'CloseChat c1': closeChat('c1'),
  'CloseChat c2': closeChat('c2'),
  TimeOut: { type: 'TimeOut' },
  CleanUp: { type: 'CleanUp' },
  ReportAccountReady: { type: 'ReportAccountReady' },
  ReportLoggedIn: { type: 'ReportLoggedIn' },
  ReportLoggedOut: { type: 'ReportLoggedOut', reason: 'closed' },
  ReportSessionFailed: { type: 'ReportSessionFailed', reason: 'not authorized' },
  'ReportTaken m1': { type: 'ReportTaken', messageIds: ['m1'] },
  'ReportDelivered m1, m9': { type: 'ReportDelivered', messageIds: ['m1', 'm9'], by: 'ping' },
  'ReportFailed m1': { type: 'ReportFailed', messageId: 'm1', reason: 'expired' },
  Wake: WAKE,
};

const online = [loggedIn(), presence('available', 'offline>available')];
const free = [registered(), ...online];

export const OPERATOR_STATES: Record<string, readonly Fact[]> = {
  unknown: [],
  'online, not registered': online,
  'account claimed': [{ type: 'OperatorAccountClaimed', data: { adopted: false } }],
  'registered, offline': [registered()],
  'connected, no presence': [registered(), loggedIn()],
  available: free,
  away: [registered(), loggedIn(), presence('away', 'offline>away')],
  busy: [registered(), loggedIn(), presence('dnd', 'offline>busy')],
  unresponsive: [...free, responds(false, 'available>offline')],
  'available by a stand-in': [
    registered(),
    loggedIn('offline>offline', 'resource:gajim'),
    presence('available', 'offline>available', 'resource:gajim'),
  ],
  'two sessions on one resource': [...free, loggedIn('available>available', 's2')],
  'c1 reserved by r1': [...free, reserved()],
  'c1 taken by r1': [...free, reserved(), taken()],
  'c1 taken, no reservation': [...free, taken(null)],
  'c1 reserved, c2 taken: full': [...free, reserved(), reserved('r2', 'c2'), taken('r2', 'c2')],
  'c1 taken, gone offline': [...free, reserved(), taken(), loggedOut('available>offline')],
  removed: [...free, { type: 'OperatorRemoved', data: {} }],
};

export const OPERATOR_COMMANDS: Record<string, OperatorCommand | Wake> = {
  ClaimAccount: { type: 'ClaimAccount', adopted: false },
  'Register the same': register(),
  'Register with capacity 1': register(1),
  Remove: { type: 'Remove' },
  'OpenSession s1': openSession('s1'),
  'OpenSession s2': openSession('s2'),
  'ChangePresence s1 available': changePresence('available'),
  'ChangePresence s1 away': changePresence('away'),
  'ChangePresence s1 none': changePresence(null),
  'ChangePresence s2 dnd': changePresence('dnd', 's2'),
  'CloseSession s1': closeSession('s1'),
  'CloseSession s2': closeSession('s2'),
  'ReportPing answered': { type: 'ReportPing', resource: 'gajim', answered: true },
  'ReportPing not answered': { type: 'ReportPing', resource: 'gajim', answered: false },
  'CompareSessions none': compare([]),
  'CompareSessions gajim available': compare([
    { resource: 'gajim', show: 'available', status: '' },
  ]),
  'CompareSessions gajim available, restarted': compare(
    [{ resource: 'gajim', show: 'available', status: '' }],
    true,
  ),
  'ReserveChat c1 by r1': reserve('r1'),
  'ReserveChat c1 by r9': reserve('r9'),
  'ReserveChat c3 by r3': reserve('r3', 'c3'),
  'TakeChat c1 by r1': take('r1'),
  'TakeChat c1 by r9': take('r9'),
  'TakeChat c1, no reservation': take(null),
  'TakeChat c3, no reservation': take(null, 'c3'),
  'ReleaseChat c1 by r1': release('r1'),
  'ReleaseChat c1, no reservation': release(null),
  RefuseMessage: { type: 'RefuseMessage', visitor: 'v1', messageId: 'o1', reason: 'has left' },
  Wake: WAKE,
};

export const TENANT_STATES: Record<string, readonly Fact[]> = {
  'callbacks active': [],
  'callbacks to e1 paused': [{ type: 'CallbacksPaused', data: { endpoint: 'e1' } }],
  'callbacks resumed': [
    { type: 'CallbacksPaused', data: { endpoint: 'e1' } },
    { type: 'CallbacksResumed', data: { endpoint: 'e2' } },
  ],
  "LHC user 7 is ada's": [
    { type: 'LhcUserClaimsBegun', data: {} },
    { type: 'LhcUserClaimed', data: { lhcUserId: 7, username: 'ada' } },
  ],
};

const claim = (username: string, over: number | null): TenantCommand => ({
  ...{ type: 'ClaimLhcUser', lhcUserId: 7, username, over },
});

export const TENANT_COMMANDS: Record<string, TenantCommand | Wake> = {
  'PauseCallbacks e1': { type: 'PauseCallbacks', endpoint: 'e1' },
  'PauseCallbacks e2': { type: 'PauseCallbacks', endpoint: 'e2' },
  'ResumeCallbacks e1': { type: 'ResumeCallbacks', endpoint: 'e1' },
  'ResumeCallbacks e2': { type: 'ResumeCallbacks', endpoint: 'e2' },
  'ClaimLhcUser 7 for ada': claim('ada', null),
  'ClaimLhcUser 7 for grace': claim('grace', null),
  'ClaimLhcUser 7 for grace, over the first': claim('grace', 1),
  "ReleaseLhcUser 7, ada's first": {
    ...{ type: 'ReleaseLhcUser', lhcUserId: 7, username: 'ada', revision: 1 },
  },
  "ReleaseLhcUser 7, ada's second": {
    ...{ type: 'ReleaseLhcUser', lhcUserId: 7, username: 'ada', revision: 2 },
  },
  BeginLhcUserClaims: {
    type: 'BeginLhcUserClaims',
    registered: [{ lhcUserId: 7, username: 'ada' }],
    last: true,
  },
  Wake: WAKE,
};
