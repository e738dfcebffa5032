/** Candidates and chats for tests of the selection, with what a test does not care about filled in. */
import type { Candidate, ChatCriteria, Rule } from '../../src/actors/operator-selection.ts';
import { username } from '../support/names.ts';

export const RULE: Rule = {
  policy: 'least-loaded',
  departmentCapacity: null,
  lastPicked: null,
  random: 0,
};

/** A free operator who serves all departments, unless it is said otherwise. */
export const op = (name: string, but: Partial<Candidate> = {}): Candidate => ({
  username: username(name),
  registered: true,
  availability: 'available',
  departments: [],
  capacity: 5,
  load: 0,
  openOffers: 0,
  loadOf: {},
  lastChatAt: 0,
  ...but,
});

/** A chat for sales with no past, unless it is said otherwise. */
export const criteria = (but: Partial<ChatCriteria> = {}): ChatCriteria => ({
  department: 'sales',
  invitedBy: null,
  lastOperator: null,
  transferredBy: null,
  offeredTo: [],
  passedBy: [],
  ...but,
});
