/** Chats that somebody has in LHC's own pages, in the rows of read models (docs/adr/0044). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import { username } from '../support/names.ts';
import {
  answers,
  assigns,
  type ChatScene,
  closes,
  openChatScene,
  SECOND,
  says,
  starts,
} from './chat-scene.ts';

let log: ChatScene['log'];
let live: ChatScene['live'];
let happens: ChatScene['happens'];
let chatOf: ChatScene['chatOf'];
beforeAll(async () => {
  ({ log, live, happens, chatOf } = await openChatScene());
});
afterAll(() => log.close());

describe('a chat that somebody has in LHC', () => {
  const rosa = { lhcUserId: 900, name: 'Rosa' };
  const owns = (chatId: string, accepted = true, operator?: string): VisitorCommand => ({
    type: 'SetOwner',
    chatId,
    accepted,
    ...rosa,
    isOnline: false,
    operator: operator === undefined ? null : username(operator),
  });
  const writes = (chatId: string, messageId: string, lhcUserId = 900): VisitorCommand => ({
    type: 'WriteInLhc',
    chatId,
    messageId,
    body: 'words',
    ...rosa,
    lhcUserId,
    operator: null,
    isOnline: false,
  });

  test('is active with their name, waits in no queue, and counts as served and answered', async () => {
    const at = log.now();
    await happens('l', starts('l1'), says('m1'), owns('l1', false));
    const offered = { state: 'offered', operator: null, inLhc: rosa, waitingSince: null };
    expect(chatOf('l1')).toMatchObject({ ...offered, acceptedAt: null });
    await happens('l', owns('l1'), writes('l1', 'w0', -2), writes('l1', 'w1'));
    expect(chatOf('l1')).toMatchObject({
      state: 'active',
      operator: null,
      inLhc: rosa,
      offered: [],
      waitingSince: null,
      acceptedAt: at + 3 * SECOND,
      firstAnswerAt: at + 5 * SECOND,
      operatorMessages: 1,
    });
    expect(live.projections.visitors.get('acme', 'l')).toMatchObject({
      conversation: 'chatting',
      operator: null,
      inLhc: rosa,
    });
    expect(
      live.projections.messages
        .list({ tenant: 'acme', visitor: 'l', limit: 10 })
        .items.map(({ id, direction, state, inLhc }) => [id, direction, state, inLhc]),
    ).toEqual([
      ['m1', 'visitor', 'delivered', null],
      ['w0', 'operator', 'received', { lhcUserId: -2, name: 'Rosa' }],
      ['w1', 'operator', 'received', rosa],
    ]);
    await happens('l', closes('l1'));
    expect(chatOf('l1')).toMatchObject({ state: 'closed', inLhc: rosa, missed: false });
    expect(live.projections.visitors.get('acme', 'l')).toMatchObject({ inLhc: null });
  });

  test('is the operator’s who takes it, and waits again after a transfer to a department', async () => {
    await happens('l', starts('l2'), assigns('l2', 'op'), answers('op', 'o1'), owns('l2'));
    expect(chatOf('l2')).toMatchObject({ operator: null, inLhc: rosa, transfers: 1 });
    await happens('l', { type: 'AcceptChat', operator: username('op') });
    expect(chatOf('l2')).toMatchObject({ operator: 'op', inLhc: null, state: 'active' });
    await happens('l', owns('l2', true, 'pia'));
    expect(chatOf('l2').operators.map(({ operator }) => operator)).toEqual(['op', 'pia']);
    const to = { operator: null, department: 'help', reservation: null };
    await happens('l', { type: 'TransferChat', chatId: 'l2', from: null, ...to });
    expect(chatOf('l2')).toMatchObject({ state: 'waiting', inLhc: null, department: 'help' });
    expect(chatOf('l2').waitingSince).not.toBeNull();
  });
});
