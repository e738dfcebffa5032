/**
 * A test as the debugger writes it, kept as an example.
 *
 * What if: a branch of visitor-acme.7 after revision 3, with visitor/10.
 * Save it in test/actors, with a name that ends with .test.ts. Words of people are replaced by markers.
 */
import { expect, test } from 'vitest';
import { given } from './branch.ts';

test('visitor: what if, after revision 3', () => {
  // Given
  // ms since the fact before (the first: since 1970), type, data
  const branch = given('visitor', 0, [
    [
      1767225600000,
      'VisitorArrived',
      {
        digest: 'home',
        department: null,
        delays: {
          hardTimeout: 300000,
          cleanupAfter: 86400000,
          invitationTimeout: 120000,
          offerTimeout: 60000,
          chatIdle: 86400000,
        },
        told: [],
      },
    ],
    [
      1000,
      'ChatStarted',
      { chatId: 'c1', department: 'sales', invitedBy: null, lastOperator: null, told: [] },
    ],
    [1000, 'VisitorMessageSent', { chatId: 'c1', messageId: 'm1' }],
    [
      1000,
      'ChatAssigned',
      { chatId: 'c1', operator: 'op1', reservation: 'r1', reason: 'least-loaded' },
    ],
  ]);

  // When, then
  expect(
    branch.command({ type: 'SendMessage', messageId: 'm7', chatId: null, body: 'body-1' }),
  ).toEqual([['VisitorMessageSent', { chatId: 'c1', messageId: 'm7' }]]);
  expect(
    branch.command({
      type: 'ReceiveOperatorMessage',
      operator: 'op1',
      messageId: 'o7',
      body: 'body-2',
    }),
  ).toEqual([
    ['ChatAccepted', { chatId: 'c1', operator: 'op1' }],
    [
      'OperatorMessageReceived',
      { operator: 'op1', messageId: 'o7', chatId: 'c1', invitation: false },
    ],
  ]);
  expect(() =>
    branch.command({
      type: 'StartChat',
      chatId: 'c2',
      department: 'sales',
      delays: {
        hardTimeout: 300000,
        cleanupAfter: 86400000,
        invitationTimeout: 120000,
        offerTimeout: 60000,
        chatIdle: 86400000,
      },
    }),
  ).toThrow('chat c1 is open; close it first');
  expect(branch.wait(172800000)).toEqual([
    ['ChatClosed', { chatId: 'c1', operator: 'op1', by: 'system', reason: 'idle' }],
    ['TimedOut', { lastSeen: 1767225603000 }],
  ]);
  expect(branch.value()).toEqual({ presence: 'timedOut', conversation: 'none', offer: 'none' });
  expect(branch.timers()).toEqual({ cleanupAfter: 300000 }); // ms left
  expect(branch.changes()).toEqual([
    {
      path: ['chat'],
      before: {
        id: 'c1',
        department: 'sales',
        language: null,
        invitedBy: null,
        lastOperator: null,
        answered: false,
        operator: 'op1',
        reservation: 'r1',
        accepted: false,
        startedAt: 1767225601000,
        startRevision: 1,
        offeredTo: [],
        passedBy: [],
        passedAgain: [],
        left: false,
        misses: 0,
        freeSince: 1767225601000,
        waitsSince: 1767225601000,
        overflowed: [],
        notified: null,
        transferredBy: null,
        departmentTransfer: null,
        searchRevision: 1,
        byLhc: false,
        inLhc: null,
      },
      after: null,
    },
    { path: ['chatMessages'], before: 1, after: 2 },
    { path: ['firstWaiting'], before: 2, after: null },
    { path: ['endedChat'], before: null, after: { operator: 'op1', at: 1767312003000 } },
    {
      path: ['written', 0],
      after: { hash: 'ouMRpApIcYGLB5V8', revision: 6, operator: 'op1', over: true },
    },
    { path: ['lastSeen'], before: 1767225602000, after: 1767225603000 },
    { path: ['lastOperator'], before: null, after: 'op1' },
    { path: ['openMessages', 1], after: { id: 'm7', chatId: 'c1', revision: 4, taken: false } },
  ]);
});
