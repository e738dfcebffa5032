/** Candidates and chats for tests of the selection, with defaults. */
import {
  type Candidate,
  type ChatCriteria,
  claimsOf,
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

/** The choice among these operators. */
export function selectAmong(all: readonly Candidate[], chat: ChatCriteria, rule: Rule) {
  const serving = all.filter((each) => serves(each, chat.department));
  const names = claimsOf(chat).map(({ operator }) => operator);
  const claimants = all.filter(({ username: name }) => names.includes(name));
  return selectOperators({ serving, claimants }, chat, rule);
}
