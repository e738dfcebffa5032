/** Visitors' files: an operator gets the address alone in a stanza when the file was looked at, in the order of what was said. */
import { afterEach, expect, it } from 'vitest';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import type { Verdict } from '../../../src/files/checks.ts';
import { assignChat, register, sendMessage, startChat, transferChat } from '../../actors/facts.ts';
import { type MessageLane, openMessageLane } from './lane.ts';

const URL = 'https://lhc.test/xmppchat/file/1/a.png';
const PASSED: Verdict = { kind: 'passed', type: 'image/png', size: 70, sha256: 'ab' };
let lane: MessageLane;
let verdict: Verdict | 'pending';
let asked: string[];
afterEach(() => lane.rig.close());

const file = (messageId: string): VisitorCommand =>
  ({ ...sendMessage(messageId), body: URL, file: { name: 'a.png', size: 70 } }) as VisitorCommand;

async function opened(settings: Record<string, unknown> = {}): Promise<void> {
  verdict = 'pending';
  asked = [];
  lane = await openMessageLane(settings, undefined, (_, from, { url, name }) => {
    asked.push(`${from} ${url} ${name}`);
    return verdict;
  });
  await lane.rig.toOperator('op1', register());
}
async function inChat(settings?: Record<string, unknown>): Promise<void> {
  await opened(settings);
  await lane.rig.toVisitor('1', startChat('c1', 'm1'));
  await lane.rig.toVisitor('1', assignChat('op1'));
  await lane.run();
}
const stanzas = () => lane.read('op1').map(({ id, body, isFile }) => ({ id, body, isFile }));

it('waits for the verdict, and what is said behind it waits too', async () => {
  await inChat();
  await lane.rig.toVisitor('1', file('m2'));
  await lane.rig.toVisitor('1', sendMessage('m3'));
  expect(await lane.run()).toMatchObject({ kind: 'parked', lookMs: 250 });
  expect(lane.sent('op1')).toEqual(['m1']);
  verdict = PASSED;
  expect(await lane.run()).toEqual({ kind: 'done' });
  expect(stanzas().slice(1)).toEqual([
    { id: 'm2', body: URL, isFile: true },
    { id: 'm3', body: 'Hello', isFile: undefined },
  ]);
  expect(new Set(asked)).toEqual(new Set([`lhc ${URL} a.png`]));
});

it('refused, a line of the service stands in its place', async () => {
  await inChat();
  verdict = { kind: 'refused', reason: 'it is empty' };
  await lane.rig.toVisitor('1', file('m2'));
  expect(await lane.run()).toEqual({ kind: 'done' });
  const body = ':: The visitor has sent a file, and it was not passed on: it is empty.';
  expect(stanzas().at(-1)).toEqual({ id: 'm2', body, isFile: undefined });
});

it('an address that a visitor types is a text', async () => {
  await inChat();
  await lane.rig.toVisitor('1', { ...sendMessage('m2'), body: URL } as VisitorCommand);
  await lane.run();
  expect(asked).toEqual([]);
  expect(stanzas().at(-1)).toEqual({ id: 'm2', body: URL, isFile: undefined });
});

it('switched off, it is a text too', async () => {
  await inChat({ files: { enabled: false } });
  await lane.rig.toVisitor('1', file('m2'));
  await lane.run();
  expect(asked).toEqual([]);
  expect(stanzas().at(-1)).toEqual({ id: 'm2', body: URL, isFile: undefined });
});

it('as the first words of a chat, it follows the opening in a stanza of its own', async () => {
  await opened();
  await lane.rig.toVisitor('1', startChat('c1'));
  await lane.rig.toVisitor('1', file('m1'));
  await lane.rig.toVisitor('1', assignChat('op1'));
  expect(await lane.run()).toMatchObject({ kind: 'parked' });
  expect(lane.sent('op1')).toEqual([]);
  verdict = PASSED;
  expect(await lane.run()).toEqual({ kind: 'done' });
  const [opening, second] = stanzas();
  expect(opening?.body).toMatch(/^:: /);
  expect(opening?.body).not.toContain(URL);
  expect(second).toEqual({ id: 'm1', body: URL, isFile: true });
});

it('is sent again after a restart when it was looked at again', async () => {
  await inChat();
  verdict = PASSED;
  await lane.rig.toVisitor('1', file('m2'));
  await lane.run();
  lane.restart();
  verdict = 'pending';
  await lane.resent();
  expect(lane.sent('op1').filter((id) => id === 'm2')).toHaveLength(1);
  verdict = PASSED;
  await expect
    .poll(() => lane.sent('op1').filter((id) => id === 'm2').length, { timeout: 10_000 })
    .toBe(2);
  expect(lane.ejabberd.messages.at(-1)).toMatchObject({ id: 'm2', isFile: true });
});

it('is a name in what was said before, so nobody has to look again', async () => {
  await inChat();
  verdict = PASSED;
  await lane.rig.toVisitor('1', file('m2'));
  await lane.run();
  await lane.rig.toVisitor('1', {
    type: 'ReportMessageDelivered',
    messageIds: ['m1', 'm2'],
    by: 'receipt',
  });
  await lane.rig.toVisitor('1', {
    type: 'ReceiveOperatorMessage',
    operator: 'op1',
    messageId: 'o1',
    body: 'Thanks',
  } as VisitorCommand);
  await lane.rig.toOperator('op2', register());
  await lane.rig.toVisitor('1', transferChat('op1', 'op2', 'r2'));
  verdict = 'pending';
  expect(await lane.run()).toEqual({ kind: 'done' });
  const [opening] = lane.read('op2');
  expect(opening?.body).toContain('[file: a.png]');
  expect(opening?.body).not.toContain(URL);
});
