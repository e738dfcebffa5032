/** What a visitor remembers beyond a clean-up: how large it can be, and how release 0.1.0 stored it. */
import { expect, it } from 'vitest';
import { emptyState, fold } from '../../../src/actors/machine/decider.ts';
import { serialize } from '../../../src/actors/machine/state-json.ts';
import { visitorDecider, visitorState } from '../../../src/actors/visitor/decisions.ts';
import { MAX_SETTLED_MESSAGES } from '../../../src/actors/visitor/message-changes.ts';
import { MAX_OPEN_MESSAGES } from '../../../src/actors/visitor/sent-messages.ts';
import { MAX_APPEND_BYTES } from '../../../src/eventstore/port.ts';
import { username } from '../../support/names.ts';
import { sendMessage, startChat } from '../facts.ts';
import { MemoryStream, stored } from '../stream.ts';

/** The longest ids that callers and clients may give. */
const chatId = 'c'.repeat(64);
const messageId = (n: number): string => `${n}.`.padEnd(128, 'm');
const stanzaId = (n: number): string => `${n}.`.padEnd(1024, '\u{1f600}');
const commandId = (n: number): string => `${n}.`.padEnd(1024, '\u{1f600}');
/** A fingerprint. */
const DIGEST = 'k'.repeat(10);
const LATE = Date.UTC(2100, 0);

it('a clean-up with every memory full fits into an append several times', () => {
  const actor = new MemoryStream(visitorDecider);
  let now = LATE;
  let commands = 0;
  const send = (...[command]: [Parameters<typeof actor.send>[0]]) => {
    commands += 1;
    now += 1;
    const seq = Number.MAX_SAFE_INTEGER - 10_000 + commands;
    const hook = { queueId: commandId(commands % 40), seq };
    const stream = { session: 's'.repeat(255), resumptions: Number.MAX_SAFE_INTEGER };
    const said = { key: commandId(commands), at: now, ...stream };
    return actor.send(command, now, commandId(commands), hook, { said, request: DIGEST });
  };
  send({ ...startChat(chatId), department: 'd'.repeat(128) } as ReturnType<typeof startChat>);
  send({
    type: 'AssignChat',
    chatId,
    operator: username('o'.repeat(63)),
    reservation: 'r',
    reason: 'random',
  });
  for (let n = 0; n < 300; n++) {
    send({ ...sendMessage(messageId(n)), digest: DIGEST } as ReturnType<typeof sendMessage>);
    send({ type: 'ReportMessageDelivered', messageIds: [messageId(n)], by: 'ping' });
    send({
      type: 'ReceiveOperatorMessage',
      operator: username('o'.repeat(63)),
      messageId: stanzaId(n),
      body: '',
      markable: true,
    });
    send({ type: 'RevokeReservation', reservation: `${n}`.padStart(36, '0') });
  }
  for (let n = 300; n < 300 + MAX_OPEN_MESSAGES; n++)
    send({ ...sendMessage(messageId(n)), digest: DIGEST } as ReturnType<typeof sendMessage>);
  send({
    type: 'ReportMessageDisplayed',
    messageId: messageId(301),
    operator: username('o'.repeat(63)),
  });
  while (commands < 4200) {
    send({ type: 'ReportSessionFailed', reason: `${commands}${'x'.repeat(5000)}` });
  }
  const { context } = visitorState(actor.state.core);
  expect(context.openMessages).toHaveLength(MAX_OPEN_MESSAGES);
  expect(context.settledMessages).toHaveLength(MAX_SETTLED_MESSAGES);
  expect(context.markable).toHaveLength(32);
  expect(JSON.stringify(serialize(actor.state)).length).toBeLessThan(MAX_APPEND_BYTES / 2);

  const facts = send({ type: 'CleanUp' });
  expect(facts.map(({ type }) => type)).toEqual(['ChatClosed', 'CleanedUp']);
  expect(Buffer.byteLength(JSON.stringify(facts))).toBeLessThan(MAX_APPEND_BYTES / 2);
  const cut = actor.refold(actor.facts.length - 1);
  expect(serialize(cut)).toEqual(serialize(actor.state));
  expect(cut.seen.hasCommand(commandId(200))).toBe(true);
});

it('the clean-up of release 0.1.0 kept ids in full; they still count', () => {
  const kept = {
    lastChatId: 'c1',
    chats: 1,
    lastOperator: null,
    revokedReservations: [],
    openMessages: [{ id: 'm3', chatId: 'c1', revision: 5, taken: true }],
    settledMessages: ['m1', 'm2'],
  };
  const summary = { commands: [['msg:m1', 1]], hooks: { q: 3 } };
  const cleanedUp = { type: 'CleanedUp', data: { lastSeen: 1, kept, summary } };
  const state = fold(visitorDecider, emptyState(visitorDecider), [
    stored(cleanedUp as Parameters<typeof stored>[0], 9, { at: 1, commandId: 'auto:' }),
  ]);
  expect(state.seen.hasCommand('msg:m1')).toBe(true);
  expect(state.seen.hasHook({ queueId: 'q', seq: 3 })).toBe(true);
  const actor = new MemoryStream(visitorDecider);
  actor.state = state;
  actor.send(startChat('c2'), 2);
  expect(actor.send(sendMessage('m2'), 2)).toEqual([]);
  expect(actor.send(sendMessage('m3'), 2)).toEqual([]);
  expect(actor.send(sendMessage('m4'), 2)).toHaveLength(1);
  const shown = (id: string) =>
    actor.send({ type: 'ReportMessageDisplayed', messageId: id, operator: username('op1') }, 2)
      .length;
  actor.send({ type: 'CloseChat', chatId: 'c2', by: 'system', reason: null }, 2);
  expect(['m2', 'm1', 'm3', 'm2'].map(shown)).toEqual([1, 0, 1, 0]);
});
