/** Candidates and chats for tests of the selection, with defaults. */
import {
  type Candidate,
  type ChatCriteria,
  claimsOf,
  prospectOf,
  type Rule,
  selectOperators,
  serves,
} from '../../src/actors/operator-selection.ts';
import { username } from '../support/names.ts';

export const RULE: Rule = {
  policy: 'least-loaded',
  departmentCapacity: null,
  tierWaitMs: 0,
  languageWaitMs: 0,
  now: 1_000_000,
  lastPicked: null,
  random: 0,
};

/** By default a free operator who serves all departments. */
export const op = (name: string, but: Partial<Candidate> = {}): Candidate => ({
  username: username(name),
  registered: true,
  availability: 'available',
  departments: [],
  tier: 1,
  tiers: {},
  languages: [],
  capacity: 5,
  load: 0,
  openOffers: 0,
  loadOf: {},
  lastChatAt: 0,
  ...but,
});

/** By default a chat for sales without a history. */
export const criteria = (but: Partial<ChatCriteria> = {}): ChatCriteria => ({
  department: 'sales',
  language: null,
  waitsSince: 1_000_000,
  invitedBy: null,
  lastOperator: null,
  answered: false,
  transferredBy: null,
  offeredTo: [],
  passedBy: [],
  ...but,
});

const candidatesAmong = (all: readonly Candidate[], chat: ChatCriteria) => {
  const serving = all.filter((each) => serves(each, chat.department));
  const names = claimsOf(chat).map(({ operator }) => operator);
  return { serving, claimants: all.filter(({ username: name }) => names.includes(name)) };
};

/** The choice among these operators. */
export const selectAmong = (all: readonly Candidate[], chat: ChatCriteria, rule: Rule) =>
  selectOperators(candidatesAmong(all, chat), chat, rule);

/** The quick look at these operators. */
export const prospectAmong = (all: readonly Candidate[], chat: ChatCriteria, rule: Rule) =>
  prospectOf(candidatesAmong(all, chat), chat, rule);
