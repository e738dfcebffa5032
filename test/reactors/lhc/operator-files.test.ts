/** What operators upload: LHC hears of the message when each file was looked at, or never. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { VisitorCommand } from '../../../src/actors/visitor/decisions.ts';
import type { Verdict } from '../../../src/files/checks.ts';
import { createCallbacks } from '../../../src/reactors/lhc/callback-lane.ts';
import { lineOfRefusal } from '../../../src/reactors/texts/lhc-answers.ts';
import { assignChat, receive, register, startChat, viewPage } from '../../actors/facts.ts';
import { fakeLhc } from '../../support/fake-lhc.ts';
import { newId, openRig, type Rig, tenantsWith } from '../../support/rig.ts';

const UPLOADS = 'https://files.test/up/';
const PASSED: Verdict = { kind: 'passed', type: 'image/png', size: 70, sha256: 'ab' };
let rig: Rig;
let lhc: ReturnType<typeof fakeLhc>;
let asked: string[];
let verdict: Verdict | 'pending';
beforeEach(async () => {
  asked = [];
  verdict = 'pending';
  lhc = fakeLhc();
  const settings = { callbackUrl: 'https://lhc.test/callback', files: { uploads: [UPLOADS] } };
  rig = await openRig({ settings });
  await rig.toOperator('op1', register());
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat('c1', 'm1'));
  await rig.toVisitor('1', assignChat('op1'));
});
afterEach(() => rig.close());

const says = (body: string, wants = {}) =>
  rig.toVisitor('1', { ...receive('op1', 'o1', wants), body } as VisitorCommand);

/** Performs the newest message of the operator. */
async function perform(tenants = rig.tenants) {
  const { actors, personal, digestKey, now, monotonic } = rig;
  const { destination } = createCallbacks({
    ...{ actors, personal, digestKey, now, monotonic, random: Math.random, newId, tenants },
    client: lhc.client,
    lookAtFile: (_, from, { url, name }) => {
      asked.push(`${from} ${url} ${name}`);
      return verdict;
    },
  });
  const events = await rig.facts('visitor-acme.1');
  const event = events.findLast(({ type }) => type === 'OperatorMessageReceived');
  return destination.perform(event ?? expect.unreachable(), new AbortController().signal);
}
const messages = () => lhc.accepted.filter(({ type }) => type === 'chat.message');
const types = async () => (await rig.facts('visitor-acme.1')).map(({ type }) => type);

it('waits for the verdict, without a turn, and then has the file beside the link', async () => {
  const body = `Look: ${UPLOADS}1/2/a%20b.png).`;
  await says(body);
  expect(await perform()).toMatchObject({ kind: 'parked', lookMs: 250 });
  expect(lhc.accepted).toEqual([]);
  verdict = PASSED;
  expect(await perform()).toMatchObject({ kind: 'done' });
  const url = `${UPLOADS}1/2/a%20b.png`;
  const { kind: _, ...found } = PASSED;
  const files = [{ url, name: 'a b.png', ...found }];
  expect(messages().map(({ data }) => data)).toMatchObject([
    { message: { id: 'o1', body, files } },
  ]);
  expect(new Set(asked)).toEqual(new Set([`uploads ${url} a b.png`]));
});

it('refused, the visitor gets nothing, and the operator reads why', async () => {
  verdict = { kind: 'refused', reason: 'it is larger than 10 MB' };
  await says(`${UPLOADS}1/a.png`, { receipt: true });
  expect(await perform()).toMatchObject({ kind: 'done' });
  expect(lhc.accepted).toEqual([]);
  const events = await rig.facts('visitor-acme.1');
  const refusal = events.find(({ type }) => type === 'LhcRefused');
  expect(refusal?.data).toMatchObject({ operator: 'op1', messageId: 'o1', code: 'file-refused' });
  const { text } = (await rig.personal.of(refusal ?? expect.unreachable())) ?? {};
  expect(lineOfRefusal(refusal?.data as never, String(text))).toBe(
    'Not delivered: the file was not passed on: it is larger than 10 MB.',
  );
  expect(lineOfRefusal(refusal?.data as never, null)).toBe(
    'Not delivered: the file was not passed on.',
  );
  expect(await types()).not.toContain('OperatorMessageAccepted');
  await perform(); // after a crash: the same again
  expect((await types()).filter((type) => type === 'LhcRefused')).toHaveLength(1);
});

it.each([
  'https://files.test/upper/a.png',
  'https://files.test.evil.test/up/a.png',
  'https://files.test:444/up/a.png',
  'http://files.test/up/a.png',
  'https://u@files.test/up/a.png',
  'https://files.test/up/../a.png',
  'https://files.test/up/%2e%2e/a.png',
  'look at files.test/up/a.png',
])('%s is a text', async (body) => {
  await says(body);
  expect(await perform()).toMatchObject({ kind: 'done' });
  expect(asked).toEqual([]);
  expect(messages()).toHaveLength(1);
});

it.each([
  ['in capitals', 'HTTPS://FILES.TEST/up/a.png'],
  ['in brackets', '(see https://files.test/up/a.png)'],
  ['in angles', '<https://files.test/up/a.png>'],
  ['behind a word', 'photo:https://files.test/up/a.png'],
  ['in another line', 'Look\nhttps://files.test/up/a.png\n'],
  ['in a Markdown link', '[photo](https://files.test/up/a.png)'],
])('a link %s is looked at', async (_, body) => {
  verdict = { kind: 'refused', reason: 'no' };
  await says(body);
  await perform();
  expect(asked).toHaveLength(1);
  expect(lhc.accepted).toEqual([]);
});

it('more files than a message may have are refused without a look', async () => {
  await says(Array.from({ length: 11 }, (_, n) => `${UPLOADS}${n}.png`).join(' '));
  await perform();
  expect(asked).toEqual([]);
  expect(lhc.accepted).toEqual([]);
  expect(await types()).toContain('LhcRefused');
});

it('switched off, a link is a text', async () => {
  const settings = { callbackUrl: 'https://lhc.test/callback' };
  const files = { enabled: false, uploads: [UPLOADS] };
  const tenants = tenantsWith({ ...settings, files });
  await says(`${UPLOADS}a.png`);
  expect(await perform(tenants)).toMatchObject({ kind: 'done' });
  expect(asked).toEqual([]);
  expect(messages().map(({ data }) => 'message' in data && 'files' in data.message)).toEqual([
    false,
  ]);
});
