/**
 * Examples of each callback for the tests of the LHC extension: lhc/test/fixtures/callbacks.json is made of the types here,
 * and lhc/test/unit/Incoming/ContractTest.php takes each of them. After a change of the types:
 * `npx vitest run test/lhc/callback-fixture.test.ts --update`, and `npm run test:php`.
 */
import { expect, it } from 'vitest';
import type { CallbackData, CallbackType, Ping } from '../../src/lhc/callback-types.ts';

type Examples = { readonly [T in CallbackType]: readonly CallbackData[T][] } & {
  readonly [T in Ping['type']]: readonly Ping['data'][];
};

// What is in braces, and 7, is replaced by ids of the rows that the test of PHP has.
const operator = { username: '{username}', lhcUserId: 7 };
const unregistered = { username: '{username}', lhcUserId: null };
const about = { visitor: '{visitor}', chatId: '{chat}', operator };
const seen = { visitor: '{visitor}', lastSeen: '2026-01-01T00:00:00.000Z' };
const state = { operator, at: '2026-01-01T00:00:00.000Z' };
const outcome = { visitor: '{visitor}', chatId: '{chat}', messageId: '{message}' };
const message = { id: 'm1', body: 'Grüße 👋\n"quoted" <b> [b] {args.msg}' };
const reply = {
  id: 'm3',
  body: '> Hello\nYes',
  replyTo: { messageId: '{message}', body: 'Yes' },
};
const correction = { id: 'm2', body: 'Corrected', replaces: 'm1' };

const EXAMPLES: Examples = {
  'visitor.invited': [
    { visitor: '{visitor}', operator, message },
    { visitor: '{visitor}', operator, message: correction },
  ],
  'visitor.invitation_expired': [
    { visitor: '{visitor}', operator, reason: 'not-answered' },
    { visitor: '{visitor}', operator, reason: 'visitor-left' },
  ],
  'chat.message': [
    { ...about, message },
    { ...about, message: correction },
    { ...about, message: reply },
  ],
  'chat.assigned': [
    { ...about, reason: null },
    { ...about, reason: 'routing' },
  ],
  'chat.accepted': [about, { ...about, reason: 'reply' }],
  'chat.transferred': [
    { ...about, reason: 'transfer' },
    { ...about, operator: null, department: '{department}', reason: 'transfer' },
    { ...about, operator: null, reason: 'missed' },
  ],
  'chat.closed': [
    { ...about, reason: 'done' },
    { ...about, operator: null, reason: 'system' },
    { ...about, operator: unregistered, reason: 'done' },
  ],
  'visitor.timed_out': [seen, { ...seen, chatId: '{chat}' }],
  'visitor.cleaned_up': [seen],
  'operator.online': [state],
  'operator.offline': [state],
  'operator.alive': [state, { ...state, resource: 'Gajim.1' }],
  'operator.typing': [
    { ...about, state: 'composing' },
    { ...about, state: 'active' },
  ],
  'chat.note': [{ ...about, note: { id: 'n1', body: 'Likes red' } }],
  'chat.notice': [
    {
      ...about,
      operator: null,
      reason: 'closed',
      until: '2026-01-01T09:00:00.000Z',
      message: { id: 'm3', body: 'We are back at nine.' },
    },
    { ...about, operator: null, reason: 'full', message: { id: 'm4', body: 'Many are waiting.' } },
  ],
  'chat.command': [{ ...about, messageId: 'm1', command: 'help', text: '!help' }],
  'message.delivered': [
    { ...outcome, reason: 'receipt' },
    { ...outcome, chatId: null, reason: 'ping' },
  ],
  'message.displayed': [
    { ...outcome, operator },
    { ...outcome, chatId: null, operator },
  ],
  'message.failed': [{ ...outcome, reason: 'service-unavailable' }],
  'message.retracted': [
    { ...outcome, messageId: 'm1', operator },
    { ...outcome, chatId: null, messageId: 'm1', operator },
  ],
  'message.reaction': [
    { ...outcome, operator, reactions: ['👍'] },
    { ...outcome, operator, reactions: [] },
  ],
  'visitor.failed': [{ visitor: '{visitor}', reason: 'conflict' }],
  'doctor.ping': [{}],
};

it('the examples that the extension is tested with are those of the types', async () => {
  const all = Object.entries(EXAMPLES).flatMap(([type, examples]) =>
    examples.map((data) => ({ type, data })),
  );
  const text = `${JSON.stringify(all, null, 2)}\n`;
  await expect(text).toMatchFileSnapshot('../../lhc/test/fixtures/callbacks.json');
});
