/** Random commands with few ids, so that commands meet. */
import fc from 'fast-check';
import type { Wake } from '../../src/actors/machine/decider.ts';
import type { OperatorCommand } from '../../src/actors/operator/decisions.ts';
import type { Show } from '../../src/actors/operator/facts.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { username, visitorKey } from '../support/names.ts';
import { address, DELAYS, SECOND, startChat } from './facts.ts';
import { OPERATOR_COMMANDS, VISITOR_COMMANDS } from './states.ts';

const chatId = fc.constantFrom('c1', 'c2', 'c3');
const operator = fc.constantFrom('op1', 'op2', 'op3').map(username);
const visitor = fc.constantFrom('v1', 'v2').map(visitorKey);
const department = fc.constantFrom(null, 'sales', 'support');
const messageId = fc.integer({ min: 1, max: 12 }).map((n) => `m${n}`);
const reservation = fc.integer({ min: 1, max: 5 }).map((n) => `r${n}`);
/** Somebody in LHC's own pages: one of the operators, or somebody else. */
const person = {
  lhcUserId: fc.constantFrom(-2, 1, 7, 8),
  operator: fc.option(operator),
  isOnline: fc.boolean(),
};
/** Short and long delays in all combinations, so that each timer may be due first. */
const delay = fc.constantFrom(10 * SECOND, 60 * SECOND, 300 * SECOND, 3600 * SECOND);

export const visitorCommand: fc.Arbitrary<VisitorCommand | Wake> = fc.oneof(
  fc.constantFrom(...Object.values(VISITOR_COMMANDS)),
  fc
    .record({
      digest: fc.constantFrom('home', 'prices'),
      department,
      delays: fc.record({
        hardTimeout: delay,
        cleanupAfter: delay,
        invitationTimeout: delay,
        offerTimeout: delay,
        chatIdle: delay,
      }),
    })
    .map((view): VisitorCommand => ({ type: 'ViewPage', ...view, profile: {} })),
  fc
    .tuple(chatId, fc.option(messageId, { nil: undefined }))
    .map(([id, message]) => startChat(id, message)),
  fc
    .record({ operator, messageId, chatId, text: fc.constantFrom('Ok', 'Yes', null) })
    .map(({ operator: to, text, messageId: id, chatId: of }) => address(to, text, id, of)),
  fc
    .record({ messageId, chatId: fc.option(chatId) })
    .map((sent): VisitorCommand => ({ type: 'SendMessage', body: '', ...sent })),
  fc
    .record({ operator, messageId, markable: fc.boolean() })
    .map((got): VisitorCommand => ({ type: 'ReceiveOperatorMessage', body: '', ...got })),
  fc
    .record({ operator, messageId, replaces: messageId })
    .map((got): VisitorCommand => ({ type: 'ReceiveOperatorMessage', body: '', ...got })),
  fc
    .record({ operator, messageId, room: fc.boolean() })
    .map((got): VisitorCommand => ({ type: 'ReceiveOperatorMessage', body: '', ...got })),
  fc
    .record({ operator, operators: fc.subarray(['op1', 'op2', 'op3'].map(username)) })
    .map((asked): VisitorCommand => ({ type: 'OpenRoom', ...asked })),
  fc
    .record({ chatId, operator: fc.option(operator) })
    .map((asked): VisitorCommand => ({ type: 'CloseRoom', ...asked })),
  fc
    .record({ operator, messageId, room: fc.boolean(), replaces: messageId })
    .map((said): VisitorCommand => ({ type: 'Whisper', body: '', ...said })),
  fc
    .record({ operator, messageId, room: fc.boolean() })
    .map((got): VisitorCommand => ({ type: 'RetractOperatorMessage', ...got })),
  fc
    .record({ operator, messageId, reactions: fc.subarray(['👍', '🐢']) })
    .map((got): VisitorCommand => ({ type: 'ReactToMessage', ...got })),
  fc
    .record({ messageId, reactions: fc.subarray(['👍', '🐢']) })
    .map((got): VisitorCommand => ({ type: 'ReactToOperatorMessage', ...got })),
  fc
    .record({ chatId, operator, reservation: fc.option(reservation) })
    .map((wish): VisitorCommand => ({ type: 'AssignChat', reason: 'least-loaded', ...wish })),
  fc
    .record({ chatId, operators: fc.uniqueArray(operator, { minLength: 1 }) })
    .map((wish): VisitorCommand => ({ type: 'OfferChat', reason: 'broadcast', ...wish })),
  fc
    .record({
      chatId,
      operator,
      reason: fc.constantFrom('offline', 'owner-gone', 'operator-removed'),
    })
    .map((wish): VisitorCommand => ({ type: 'UnassignChat', ...wish })),
  fc
    .tuple(fc.constantFrom('AcceptChat', 'DeclineChat'), operator)
    .map(([type, who]): VisitorCommand => ({ type, operator: who })),
  fc
    .record({
      from: fc.option(operator),
      to: fc.oneof(
        operator.map((name) => ({ operator: name, department: null })),
        department.map((name) => ({ operator: null, department: name })),
      ),
      reservation: fc.option(reservation),
    })
    .map(
      ({ from, to, reservation: id }): VisitorCommand => ({
        type: 'TransferChat',
        chatId: null,
        from,
        ...to,
        reservation: to.operator === null ? null : id,
      }),
    ),
  fc
    .record({ chatId, accepted: fc.boolean(), ...person })
    .map((wish): VisitorCommand => ({ type: 'SetOwner', ...wish })),
  fc
    .record({ chatId, messageId, ...person })
    .map((wish): VisitorCommand => ({ type: 'WriteInLhc', body: '', ...wish })),
  reservation.map((id): VisitorCommand => ({ type: 'RevokeReservation', reservation: id })),
  fc
    .record({
      chatId,
      search: fc.nat({ max: 12 }),
      department: fc.constantFrom('sales', 'support'),
    })
    .map((wish): VisitorCommand => ({ type: 'OverflowChat', ...wish })),
  fc
    .record({ chatId, reason: fc.constantFrom('closed', 'full'), until: fc.constant(null) })
    .map((told): VisitorCommand => ({ type: 'NotifyVisitor', text: 'Later', ...told })),
  fc
    .tuple(
      fc.constantFrom('ReportMessageTaken', 'ReportMessageDelivered', 'ReportMessageFailed'),
      fc.array(messageId),
    )
    .map(([type, messageIds]): VisitorCommand => {
      if (type === 'ReportMessageTaken') return { type, messageIds };
      if (type === 'ReportMessageDelivered') return { type, messageIds, by: 'ping' };
      return { type: 'ReportMessageFailed', messageId: messageIds[0] ?? 'm1', reason: 'expired' };
    }),
  fc
    .record({ messageIds: fc.array(messageId), operator })
    .map((got): VisitorCommand => ({ type: 'ReportMessageTaken', ...got })),
  fc.record({ messageId, operator, unreachable: fc.boolean() }).map(
    ({ unreachable, ...came }): VisitorCommand => ({
      type: 'ReportMessageFailed',
      reason: 'gone',
      ...came,
      ...(unreachable && { unreachable }),
    }),
  ),
  fc
    .record({ messageIds: fc.array(messageId), operator })
    .map((got): VisitorCommand => ({ type: 'ReportMessageDelivered', by: 'receipt', ...got })),
  fc
    .record({ messageId, operator })
    .map((shown): VisitorCommand => ({ type: 'ReportMessageDisplayed', ...shown })),
  messageId.map(
    (id): VisitorCommand => ({ type: 'ReportOperatorMessageDisplayed', messageId: id }),
  ),
);

const session = fc.constantFrom('s1', 's2', 's3');
const resource = fc.constantFrom('gajim', 'phone');
const terms = { department, ownerGrace: delay };
const priority = fc.constantFrom(-1, 0, 0, 5);
const show = fc.constantFrom<Show>('available', 'chat', 'away', 'xa', 'dnd', null);

export const operatorCommand: fc.Arbitrary<OperatorCommand | Wake> = fc.oneof(
  fc.constantFrom(...Object.values(OPERATOR_COMMANDS)),
  fc
    .record({ session, resource })
    .map((opened): OperatorCommand => ({ type: 'OpenSession', ...opened })),
  fc
    .record({ session, resource })
    .map((closed): OperatorCommand => ({ type: 'CloseSession', ...closed })),
  fc
    .record({ session, resource, show, priority })
    .map((now): OperatorCommand => ({ type: 'ChangePresence', status: '', ...now })),
  fc
    .record({
      sessions: fc.array(fc.record({ resource, show, priority, status: fc.constant('') }), {
        maxLength: 3,
      }),
      ended: fc.array(session, { maxLength: 2 }),
    })
    .map((there): OperatorCommand => ({ type: 'CompareSessions', ...there })),
  fc
    .record({
      reservation,
      chatId,
      visitor,
      ...terms,
      departmentCapacity: fc.constantFrom(null, 1, 2),
    })
    .map((wish): OperatorCommand => ({ type: 'ReserveChat', ...wish })),
  fc
    .record({ reservation: fc.option(reservation), chatId, visitor, ...terms })
    .map((wish): OperatorCommand => ({ type: 'ConfirmChat', ...wish })),
  fc
    .record({ reservation: fc.option(reservation), chatId, visitor })
    .map((wish): OperatorCommand => ({ type: 'ReleaseChat', reason: 'closed', ...wish })),
);

/** A command with the time that passes before it. It may be negative: clocks of other processes may be slow. */
export const timed = <C>(
  command: fc.Arbitrary<C>,
): fc.Arbitrary<{ command: C; passes: number }[]> =>
  fc.array(
    fc.record({
      command,
      passes: fc.oneof(
        fc.integer({ min: -2 * SECOND, max: 40 * SECOND }),
        fc.constantFrom(0, DELAYS.hardTimeout, DELAYS.cleanupAfter),
      ),
    }),
    { maxLength: 40, size: 'max' },
  );
