/** Days in the life of actors, as commands; what they caused was recorded once in golden/history-*.json. */
import type { Wake } from '../../src/actors/machine/decider.ts';
import type { OperatorCommand } from '../../src/actors/operator/decisions.ts';
import { CannedName } from '../../src/actors/tenant/canned-texts.ts';
import type { TenantCommand } from '../../src/actors/tenant/machine.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { username, visitorKey } from '../support/names.ts';
import {
  acceptChat,
  addNote,
  address,
  askQuestion,
  assignChat,
  changePresence,
  closeChat,
  closeRoom,
  closeSession,
  compare,
  DELAYS,
  declineChat,
  HOUR,
  notifyVisitor,
  offerChat,
  openRoom,
  openSession,
  overflowChat,
  react,
  reactToOperator,
  receive,
  refuseByLhc,
  register,
  release,
  reserve,
  retract,
  SECOND,
  sendCommand,
  sendMessage,
  setAvailability,
  setOwner,
  startChat,
  take,
  transferChat,
  unassignChat,
  viewPage,
  whisper,
  writeInLhc,
} from './facts.ts';

/** [ms since the previous command, command] */
type Script<C> = readonly (readonly [passes: number, command: C | Wake])[];

const WAKE: Wake = { type: 'Wake' };
const MINUTE = 60 * SECOND;

const pages = ['home', 'prices', 'prices', 'team', 'faq', 'home', 'contact'];
const conversation = Array.from({ length: 12 }, (_, i): readonly [number, VisitorCommand][] => [
  [7 * SECOND, sendMessage(`m${i + 2}`)],
  [0, { type: 'ReportMessageTaken', messageIds: [`m${i + 2}`] }],
  [
    SECOND,
    { type: 'ReportMessageDelivered', messageIds: [`m${i + 2}`], by: i % 2 ? 'ping' : 'receipt' },
  ],
  [20 * SECOND, receive('ada', `o${i + 3}`)],
]).flat();

/** A chat that nobody answers at first, that is transferred several times, and whose owner leaves. */
const fromHandToHand: Script<VisitorCommand> = [
  [HOUR, startChat('c1', 'm100')],
  [SECOND, offerChat('ada', 'grace', 'alan')],
  [5 * SECOND, declineChat('grace')],
  [10 * SECOND, offerChat('edsger')],
  [45 * SECOND, WAKE],
  [MINUTE, assignChat('edsger', 'r10')],
  [30 * SECOND, sendMessage('m101')],
  [30 * SECOND, WAKE],
  [SECOND, assignChat('barbara', 'r11')],
  [2 * SECOND, unassignChat('barbara', 'offline')],
  [SECOND, assignChat('barbara', 'r12')],
  [3 * SECOND, acceptChat('ada')],
  [SECOND, receive('ada', 'o50', { receipt: true, markable: true })],
  [SECOND, { type: 'ReportOperatorMessageAccepted', messageId: 'o50', operator: username('ada') }],
  [
    SECOND,
    {
      type: 'ReportMessageDelivered',
      messageIds: ['m100', 'm101'],
      by: 'receipt',
      operator: username('ada'),
    },
  ],
  [SECOND, { type: 'ReportMessageDisplayed', messageId: 'm101', operator: username('ada') }],
  [SECOND, { type: 'ReportOperatorMessageDisplayed', messageId: 'o50' }],
  [MINUTE, addNote('ada')],
  [MINUTE, transferChat('ada', 'grace', 'r13')],
  [MINUTE, WAKE],
  [SECOND, assignChat('ada', 'r14')],
  [SECOND, acceptChat('ada')],
  [MINUTE, transferChat('ada', '#billing')],
  [MINUTE, transferChat(null, 'alan')],
  [SECOND, receive('alan', 'o51')],
  [SECOND, sendCommand('alan')],
  [MINUTE, unassignChat('alan', 'owner-gone')],
  [MINUTE, { ...closeChat(null, 'operator'), operator: username('alan') }],
];

/** A visitor browses, ignores an invitation, starts a chat, writes, leaves, comes back, is cleaned up, comes back. */
export const VISITOR_HISTORY: Script<VisitorCommand> = [
  ...pages.map((page) => [12 * SECOND, viewPage(page)] as const),
  [SECOND, { type: 'ReportAccountReady' }],
  [SECOND, { type: 'ReportLoggedIn' }],
  [30 * SECOND, receive('grace', 'o1')],
  [40 * SECOND, receive('grace', 'o2')],
  [10 * SECOND, viewPage('prices')],
  [110 * SECOND, WAKE],
  [10 * SECOND, startChat('c1', 'm1')],
  [SECOND, { type: 'ReportMessageTaken', messageIds: ['m1'] }],
  [SECOND, { type: 'RevokeReservation', reservation: 'r1' }],
  [SECOND, assignChat('ada', 'r2')],
  [2 * SECOND, { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' }],
  [15 * SECOND, receive('ada', 'o3')],
  ...conversation,
  [SECOND, { type: 'ReportLoggedOut', reason: 'stream lost' }],
  [SECOND, { type: 'ReportSessionFailed', reason: 'not authorized' }],
  [5 * SECOND, { type: 'ReportLoggedIn' }],
  [MINUTE, sendMessage('m90')],
  [MINUTE, sendMessage('m91')],
  [10 * MINUTE, WAKE],
  [MINUTE, closeChat('c1', 'operator')],
  [SECOND, { type: 'ReportMessageFailed', messageId: 'm90', reason: 'the operator has gone' }],
  [5 * MINUTE, WAKE],
  [SECOND, { type: 'ReportLoggedOut', reason: 'timed out' }],
  [3 * HOUR, viewPage('home')],
  [SECOND, { type: 'ReportLoggedIn' }],
  [SECOND, startChat('c2')],
  [3 * SECOND, receive('grace', 'o40')],
  [24 * HOUR, WAKE],
  ...fromHandToHand,
  [SECOND, { type: 'TimeOut' }],
  [24 * HOUR, WAKE],
  [SECOND, { type: 'ReportMessageDelivered', messageIds: ['m91'], by: 'receipt' }],
  [48 * HOUR, startChat('c3', 'm92')],
  [MINUTE, viewPage('contact')],
];

const outcome = (
  type: 'ReportMessageTaken' | 'ReportMessageDelivered',
  operator: string,
  ...messageIds: string[]
): VisitorCommand => {
  const report = { messageIds, operator: username(operator) };
  return type === 'ReportMessageTaken' ? { type, ...report } : { type, ...report, by: 'ping' };
};

/** Chats whose operators LHC picks: of two who are asked one answers, LHC changes the owner, and another chat begins. */
export const VISITOR_LHC_HISTORY: Script<VisitorCommand> = [
  [SECOND, viewPage('home')],
  [MINUTE, receive('ada', 'o1')],
  [30 * SECOND, address('grace', 'Hello', 'm1', '41')],
  [200, address('ada', 'Hello', 'm2', '41')],
  [SECOND, outcome('ReportMessageTaken', 'grace', 'm1')],
  [100, outcome('ReportMessageDelivered', 'grace', 'm1')],
  [100, outcome('ReportMessageTaken', 'ada', 'm1')],
  [5 * SECOND, address('ada', 'Anyone?', 'm3', '41')],
  [100, address('ada', 'Hello?', 'm4', '41')],
  [100, address('grace', 'Hello?', 'm5', '41')],
  [100, address('grace', 'Anyone?', 'm6', '41')],
  [2 * MINUTE, WAKE],
  [
    SECOND,
    {
      type: 'ReportMessageFailed',
      messageId: 'm4',
      reason: 'service-unavailable',
      operator: username('grace'),
      unreachable: true,
    } as const,
  ],
  [10 * SECOND, receive('ada', 'o2')],
  [SECOND, { type: 'AnswerOperator', operator: username('ada'), text: 'Nick changed!' }],
  [10 * SECOND, address('ada', 'Thanks', 'm7', '41')],
  [SECOND, outcome('ReportMessageTaken', 'ada', 'm7')],
  [MINUTE, address('alan', 'Still here?', 'm8', '41')],
  [MINUTE, receive('alan', 'o4')],
  [MINUTE, address('ada', null, 'm9', '42')],
  [SECOND, address('ada', 'New question', 'm10', '42')],
  [MINUTE, closeChat('42', 'system')],
  [SECOND, address('ada', 'Not the end', 'm11', '42')],
  [10 * MINUTE, WAKE],
  [48 * HOUR, WAKE],
  [48 * HOUR, address('grace', 'Back', 'm12', '43')],
];

/** Operators who work in LHC's own pages: one takes the chat there, loses it to one in XMPP, and takes it back. */
export const VISITOR_IN_LHC_HISTORY: Script<VisitorCommand> = [
  [SECOND, viewPage('home')],
  [MINUTE, startChat('c1', 'm1')],
  [SECOND, offerChat('ada', 'grace')],
  [5 * SECOND, writeInLhc(-2, null, false, 'l1')],
  [10 * SECOND, setOwner(7, false)],
  [5 * SECOND, setOwner(7)],
  [5 * SECOND, writeInLhc(7, null, false, 'l2')],
  [20 * SECOND, { type: 'SendMessage', messageId: 'm2', chatId: null, body: 'Thanks' }],
  [10 * MINUTE, WAKE],
  [SECOND, acceptChat('ada')],
  [10 * SECOND, receive('ada', 'o1')],
  [10 * SECOND, sendMessage('m3')],
  [SECOND, outcome('ReportMessageTaken', 'ada', 'm3')],
  [SECOND, writeInLhc(7, null, false, 'l3')],
  [MINUTE, writeInLhc(1, 'ada', true, 'l4')],
  [MINUTE, writeInLhc(1, 'ada', false, 'l5')],
  [MINUTE, setOwner(2, true, 'grace')],
  [MINUTE, transferChat(null, '#billing')],
  [MINUTE, writeInLhc(2, 'grace', true, 'l6')],
  [MINUTE, setOwner(8)],
  [MINUTE, { ...closeChat('c1', 'operator'), name: 'Olga' }],
  [SECOND, writeInLhc(8, null, false, 'l7')],
  [10 * MINUTE, WAKE],
  [48 * HOUR, WAKE],
];

const DAY = 24 * HOUR;
/** A history of each length ends, what is over goes, and a visitor who was forgotten comes back. */
export const VISITOR_RETENTION_HISTORY: Script<VisitorCommand> = [
  [SECOND, viewPage('home')],
  [SECOND, { type: 'ReportLoggedIn' }],
  [SECOND, startChat('c1', 'm1')],
  [SECOND, { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'receipt' }],
  [MINUTE, closeChat('c1')],
  ...Array.from({ length: 8 }, (_, i) => [DAY - 30 * SECOND, viewPage(`page${i}`)] as const),
  // It is a week old: the visitor is cleaned up a minute after the time-out.
  [HOUR, WAKE],
  [MINUTE, WAKE],
  [HOUR, viewPage('home')],
  [0, { type: 'ReportLoggedIn' }],
  [30 * DAY, { type: 'ApplyRetention', before: 15 }],
  [SECOND, viewPage('prices')],
  [SECOND, { type: 'ApplyRetention', before: 99 }],
  [HOUR, WAKE],
  [DAY, WAKE],
  [SECOND, { type: 'Forget', revision: 3 }],
  [SECOND, { type: 'CleanUp' }],
  // The clock was wrong, and is right again.
  [-30 * DAY, { type: 'CleanUp' }],
  [SECOND, { type: 'Forget', revision: 23 }],
  [SECOND, viewPage('home')],
  [SECOND, startChat('c2', 'm2')],
];

/** LHC refuses an invitation, a message, a command and a transfer, and says something about another one. */
/** A person is erased in a chat with messages that are on their way, comes back, and is erased again. */
export const VISITOR_ERASED_HISTORY: Script<VisitorCommand> = [
  [SECOND, viewPage('home')],
  [SECOND, startChat('c1', 'm1')],
  [SECOND, assignChat('ada', 'r1')],
  [SECOND, receive('ada', 'o1')],
  [SECOND, { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'receipt' }],
  [SECOND, sendMessage('m2')],
  [SECOND, { type: 'ErasePersonalData' }],
  [SECOND, { type: 'ReportDataKeyDestroyed', generation: 1 }],
  [SECOND, { type: 'ErasePersonalData' }],
  [SECOND, { type: 'AnswerOperator', operator: username('ada'), text: 'Too late' }],
  [SECOND, { type: 'ErasePersonalData' }],
  [HOUR, viewPage('prices')],
  [SECOND, startChat('c2', 'm3')],
  [MINUTE, closeChat('c2')],
  [SECOND, { type: 'CleanUp' }],
  [SECOND, { type: 'ErasePersonalData' }],
  [SECOND, { type: 'ReportDataKeyDestroyed', generation: 3 }],
];

export const VISITOR_REFUSED_HISTORY: Script<VisitorCommand> = [
  [SECOND, viewPage('home')],
  [MINUTE, receive('ada', 'o1')],
  [SECOND, refuseByLhc({ operator: username('ada'), chatId: null, invites: true })],
  [SECOND, receive('grace', 'o2')],
  [SECOND, receive('grace', 'o3')],
  [
    SECOND,
    { type: 'AnswerOperator', operator: username('grace'), text: null, notice: 'not-shown-yet' },
  ],
  [SECOND, refuseByLhc({ operator: username('grace'), revision: 6, refused: { messageId: 'o3' } })],
  [SECOND, startChat('c1', 'm1')],
  [SECOND, receive('grace', 'o4')],
  [
    SECOND,
    refuseByLhc({
      operator: username('grace'),
      refused: { messageId: 'o5', command: 'block' },
      code: 'command-refused',
      text: 'No permission',
    }),
  ],
  [SECOND, refuseByLhc({ operator: username('grace'), refused: { change: 'transfer' } })],
  [MINUTE, closeChat('c1')],
];

/** Messages that are corrected, taken back and reacted to; a command and an older message are not. */
export const VISITOR_ABOUT_HISTORY: Script<VisitorCommand> = [
  [SECOND, viewPage('home')],
  [MINUTE, receive('ada', 'o1')],
  [SECOND, receive('ada', 'o2', { replaces: 'o1' })],
  [SECOND, startChat('c1', 'm1')],
  [SECOND, { type: 'ReportMessageTaken', messageIds: ['m1'] }],
  [SECOND, receive('ada', 'o3', { reply: { to: 'm1', plain: 'Yes' } })],
  [SECOND, receive('ada', 'o4', { replaces: 'o3' })],
  [SECOND, receive('ada', 'o5', { replaces: 'o4' })],
  [SECOND, receive('ada', 'o6', { replaces: 'a-command' })],
  [SECOND, react('ada', 'm1', ['👍', '🐢'])],
  [SECOND, reactToOperator('o5', ['❤️'])],
  [SECOND, reactToOperator('o3', [])],
  [SECOND, retract('ada', 'o6')],
  [SECOND, refuseByLhc({ operator: username('ada'), refused: { change: 'retract' } })],
  [SECOND, react('ada', 'm1', [])],
  [MINUTE, closeChat('c1')],
  [SECOND, retract('ada', 'o2')],
];

const day = (n: number): Script<OperatorCommand> => [
  [8 * HOUR, openSession(`desk-${n}`, 'gajim')],
  [SECOND, changePresence('available', `desk-${n}`)],
  [MINUTE, reserve(`r${n}1`, `c${n}1`)],
  [SECOND, take(`r${n}1`, `c${n}1`)],
  [MINUTE, reserve(`r${n}2`, `c${n}2`)],
  [MINUTE, release(`r${n}2`, `c${n}2`)],
  [MINUTE, openSession(`phone-${n}`, 'phone')],
  [SECOND, changePresence('away', `phone-${n}`, 'phone')],
  [MINUTE, changePresence('dnd', `desk-${n}`)],
  [MINUTE, take(null, `c${n}3`)],
  [MINUTE, { type: 'ReportPing', resource: 'gajim', answered: false }],
  [MINUTE, { type: 'ReportPing', resource: 'gajim', answered: true }],
  [
    MINUTE,
    { type: 'RefuseMessage', visitor: visitorKey('v9'), messageId: `x${n}`, reason: 'has left' },
  ],
  [MINUTE, openSession(`desk-${n}b`, 'gajim')],
  [SECOND, changePresence('chat', `desk-${n}b`)],
  [SECOND, closeSession(`desk-${n}`)],
  [MINUTE, setAvailability(true)],
  [MINUTE, setAvailability(false)],
  [HOUR, release(`r${n}1`, `c${n}1`)],
  [HOUR, release(null, `c${n}3`)],
  [MINUTE, closeSession(`desk-${n}b`)],
];

/** An operator is online before the registration, works for three days, is removed and registered again. ejabberd restarts. */
export const OPERATOR_HISTORY: Script<OperatorCommand> = [
  [0, openSession('first', 'gajim')],
  [SECOND, changePresence('xa', 'first')],
  [MINUTE, { type: 'ClaimAccount', adopted: true }],
  [SECOND, register(3)],
  [SECOND, closeSession('first')],
  ...day(1),
  ...day(2),
  [SECOND, compare([{ resource: 'phone', show: 'available', status: '' }], ['phone-1', 'phone-2'])],
  [SECOND, openSession('phone-new', 'phone')],
  [MINUTE, register(5)],
  ...day(3),
  [MINUTE, closeSession('phone-3')],
  [MINUTE, closeSession('phone-new')],
  [HOUR, take(null, 'c70')],
  [MINUTE, WAKE],
  [MINUTE, WAKE],
  [MINUTE, take(null, 'c71')],
  [MINUTE, openSession('desk-4', 'gajim')],
  [SECOND, changePresence('available', 'desk-4')],
  [SECOND, setAvailability(true)],
  [MINUTE, { type: 'Remove' }],
  [MINUTE, { type: 'ReportAccountRemoved' }],
  [MINUTE, closeSession('desk-4')],
  [SECOND, { type: 'RevokeLhcUser', lhcUserId: 8 }],
  [2 * MINUTE, WAKE],
  [HOUR, register(2)],
  [MINUTE, openSession('desk-5', 'gajim')],
  [SECOND, changePresence('available', 'desk-5')],
  [MINUTE, reserve('r90', 'c90')],
  [SECOND, askQuestion('info')],
];

/** ejabberd refuses the account of an operator twice, and then takes it. */
export const OPERATOR_CLAIM_HISTORY: Script<OperatorCommand> = [
  [0, { type: 'ClaimAccount', adopted: false }],
  [SECOND, { type: 'ReleaseAccountClaim', revision: 0 }],
  [HOUR, { type: 'ClaimAccount', adopted: false }],
  [SECOND, { type: 'ClaimAccount', adopted: false }],
  [SECOND, { type: 'ReleaseAccountClaim', revision: 2 }],
  [SECOND, { type: 'ReleaseAccountClaim', revision: 3 }],
  [HOUR, { type: 'ClaimAccount', adopted: true }],
  [SECOND, register(3)],
  [SECOND, { type: 'ReleaseAccountClaim', revision: 5 }],
];

const SHOWS = ['available', 'away', 'dnd'] as const;

/** A client changes its presence twice a second. Then ejabberd is asked. */
export const OPERATOR_PRESENCES: Script<OperatorCommand> = [
  [0, register(2)],
  [SECOND, openSession('desk', 'gajim')],
  ...Array.from({ length: 30 }, (_, n): readonly [number, OperatorCommand] => [
    SECOND / 2,
    changePresence(SHOWS[n % SHOWS.length] ?? null, 'desk'),
  ]),
  [SECOND, openSession('phone', 'phone')],
  [9 * SECOND, WAKE],
  [SECOND, compare([{ resource: 'gajim', show: 'xa', status: '' }])],
  [MINUTE, changePresence('available', 'desk')],
];

/** A desktop client with a priority of its own, a bot that takes no messages, and a phone (from release 0.2.0 on). */
export const OPERATOR_PRIORITIES: Script<OperatorCommand> = [
  [0, register(2)],
  [SECOND, openSession('bot', 'bot')],
  [SECOND, changePresence('available', 'bot', 'bot', -1)],
  [SECOND, openSession('desk', 'gajim')],
  [SECOND, changePresence('available', 'desk', 'gajim', 50)],
  [SECOND, openSession('phone', 'phone')],
  [SECOND, changePresence('available', 'phone', 'phone')],
  [MINUTE, reserve('r1', 'c1')],
  [SECOND, take('r1', 'c1')],
  [MINUTE, { type: 'ReportPing', resource: 'gajim', answered: false }],
  [HOUR, WAKE],
  [SECOND, closeSession('desk')],
  [MINUTE, closeSession('phone')],
  [MINUTE, WAKE],
];

/** A chat waits outside of the opening hours, and goes to the next department. */
export const VISITOR_OVERFLOW_HISTORY: Script<VisitorCommand> = [
  [
    0,
    {
      type: 'ViewPage',
      digest: 'home',
      department: null,
      language: 'de-AT',
      delays: DELAYS,
      profile: {},
    },
  ],
  [SECOND, startChat('c1', 'm1')],
  [SECOND, notifyVisitor()],
  [HOUR, overflowChat('billing')],
  [SECOND, assignChat('op1', 'r1')],
  [MINUTE, WAKE],
  [MINUTE, assignChat('op2', 'r2')],
  [SECOND, receive('op2', 'o1')],
  [MINUTE, transferChat('op2', '#sales')],
  [HOUR, closeChat('c1')],
];

/** An operator gets tiers and languages, and loses them. */
export const OPERATOR_SKILLS: Script<OperatorCommand> = [
  [0, register(3)],
  [MINUTE, { ...register(3), tier: 2, tiers: { sales: 1 }, languages: ['de', 'pt-BR'] }],
  [SECOND, openSession('desk', 'gajim')],
  [MINUTE, { ...register(3), tier: 2 }],
  [HOUR, closeSession('desk')],
  [MINUTE, WAKE],
];

/** An operator is summarised at work, and again after a day. */
export const OPERATOR_SUMMARIES: Script<OperatorCommand> = [
  [0, { type: 'ClaimAccount', adopted: false }],
  [SECOND, register(3)],
  [SECOND, openSession('desk', 'gajim')],
  [SECOND, changePresence('available', 'desk')],
  [MINUTE, reserve('r1', 'c1')],
  [SECOND, take('r1', 'c1')],
  [MINUTE, { type: 'Summarise', seenRevision: 5, name: 'Ada', statuses: { desk: 'at the till' } }],
  [MINUTE, openSession('phone', 'phone')],
  [SECOND, closeSession('desk')],
  [2 * MINUTE, WAKE],
  [HOUR, { type: 'Summarise', seenRevision: 9, name: 'Ada', statuses: {} }],
  [MINUTE, changePresence('away', 'phone', 'phone')],
];

const claimLhcUser = (
  name: string,
  lhcUserId: number,
  after: number,
  over: number | null,
): TenantCommand => ({
  type: 'ClaimLhcUser',
  lhcUserId,
  username: username(name),
  operatorRevision: after,
  over,
});

export const TENANT_HISTORY: Script<TenantCommand> = [
  [0, { type: 'PauseCallbacks', endpoint: 'e1' }],
  [HOUR, { type: 'ResumeCallbacks', endpoint: 'e2' }],
  [HOUR, { type: 'PauseCallbacks', endpoint: 'e2' }],
  [HOUR, claimLhcUser('ada', 7, -1, null)],
  [SECOND, claimLhcUser('grace', 8, -1, null)],
  [HOUR, claimLhcUser('grace', 7, 4, 3)],
];

export const cannedName = (name: string): CannedName => CannedName.parse(name);
export const saveCanned = (
  name: string,
  text: string,
  by: string | null = 'ada',
): TenantCommand => ({
  type: 'SaveCannedText',
  name: cannedName(name),
  text,
  fingerprint: `of ${text}`,
  by: by === null ? null : username(by),
});

/** Canned texts, until the tenant is removed. */
export const TENANT_CANNED_TEXTS: Script<TenantCommand> = [
  [0, saveCanned('greeting', 'Hello')],
  [SECOND, saveCanned('prices', 'From 5 EUR', null)],
  [HOUR, saveCanned('greeting', 'Hello {visitor}')],
  [HOUR, { type: 'RemoveCannedText', name: cannedName('prices'), by: username('ada') }],
];

/** What an operator asks at the desk. */
export const OPERATOR_AT_DESK: Script<OperatorCommand> = [
  [0, register(2)],
  [SECOND, openSession()],
  [SECOND, changePresence('available')],
  [SECOND, { ...askQuestion('queue'), visitor: null }],
  [SECOND, { ...setAvailability(true), visitor: null }],
  [SECOND, { ...askQuestion('invite'), visitor: null, visitors: [visitorKey('1')], more: 4 }],
  [SECOND, { type: 'RefuseMessage', visitor: null, messageId: 'm9', reason: 'why not?' }],
];

/** @param plan a setting, so that one configuration differs from another */
export const configure = (
  source: 'file' | 'http',
  plan: string,
  key: string | null = null,
  host = 'chat.test',
): TenantCommand => ({
  type: 'ConfigureTenant',
  source,
  host,
  instance: null,
  settings: { plan },
  key,
  firstKey: null,
  sealed: `fingerprint of ${plan}`,
  secrets: { callbackUrl: 'https://lhc.test/' },
  anew: false,
});

export const TENANT_CONFIGURATION: Script<TenantCommand> = [
  [0, { type: 'PauseCallbacks', endpoint: 'e1' }],
  [HOUR, configure('file', 'small', 'k1')],
  [HOUR, configure('http', 'large')],
  [HOUR, { type: 'RotateTenantKey', key: 'k2', overlapMs: HOUR }],
  [HOUR, { type: 'BeginTenantRemoval', purge: false }],
  [HOUR, { type: 'PauseCallbacks', endpoint: 'e2' }],
  [HOUR, { type: 'ReportTenantRemoved' }],
  [HOUR, { type: 'BeginTenantRemoval', purge: true }],
  [HOUR, { type: 'ReportTenantRemoved' }],
  [HOUR, configure('http', 'new', 'k3')],
];

/** A chat with a room: colleagues come in, write and whisper, and the chat changes hands. */
export const VISITOR_ROOM_HISTORY: Script<VisitorCommand> = [
  [0, viewPage('home')],
  [SECOND, startChat('c1', 'm1')],
  [SECOND, assignChat('ada', 'r1')],
  [SECOND, receive('ada', 'o1')],
  [SECOND, whisper('grace', 'w1')],
  [SECOND, openRoom('grace', 'alan')],
  [SECOND, sendMessage('m2')],
  [SECOND, receive('grace', 'o2', { room: true })],
  [SECOND, receive('grace', 'o3', { room: true, replaces: 'o2' })],
  [SECOND, receive('ada', 'o4')],
  [SECOND, retract('ada', 'o4')],
  [SECOND, whisper('alan', 'w2', { room: true })],
  [SECOND, whisper('ada', 'w3')],
  [SECOND, whisper('ada', 'w4', { replaces: 'w3' })],
  [SECOND, transferChat('ada', 'barbara', 'r2')],
  [SECOND, receive('grace', 'o5', { room: true })],
  [SECOND, acceptChat('barbara')],
  [SECOND, openRoom('edsger')],
  [SECOND, { type: 'AcceptChat', operator: username('edsger'), room: true }],
  [SECOND, { type: 'AcceptChat', operator: username('barbara'), room: true }],
  [MINUTE, closeRoom('grace')],
  [SECOND, openRoom('barbara')],
  [SECOND, closeRoom(null)],
  [SECOND, openRoom('barbara', 'ada')],
  [SECOND, unassignChat('barbara', 'owner-gone')],
  [SECOND, receive('ada', 'o6', { room: true })],
  [MINUTE, closeChat('c1')],
  [SECOND, startChat('c2')],
];
