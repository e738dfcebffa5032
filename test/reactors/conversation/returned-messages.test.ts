/** What becomes of visitors' messages that an operator's address returns. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import {
  createReturnedMessages,
  REFUSED_TRIES,
} from '../../../src/reactors/conversation/returned-messages.ts';
import { causedBy } from '../../../src/runtime/cause.ts';
import { assignChat, receive, register, startChat, viewPage } from '../../actors/facts.ts';
import { username, visitorKey } from '../../support/names.ts';
import { ACME, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const JID = 'visitor.1@xmpp.test';
let rig: Rig;
/** Called when a message is sent again. */
let onResend: (sent: number) => void;
let resends = 0;
let returned: ReturnType<typeof createReturnedMessages>;
beforeEach(async () => {
  resends = 0;
  onResend = () => {};
  rig = await openRig();
  returned = createReturnedMessages({
    actors: rig.actors,
    resend: () => onResend(++resends),
    random: () => 0,
    logger: silent,
    retry: { firstMs: 2, mostMs: 4 },
  });
  await rig.toOperator('op1', register());
  await rig.toVisitor('1', viewPage());
  await rig.toVisitor('1', startChat('c1', 'm1'));
  await rig.toVisitor('1', assignChat('op1'));
  await rig.toVisitor('1', receive('op1', 'o1'));
});
afterEach(() => rig.close());

const back = (condition: string, messageId = 'm1', code: 'refused' | 'unavailable' = 'refused') =>
  returned({
    tenant: ACME,
    key: visitorKey('1'),
    jid: JID,
    messageId,
    operator: username('op1'),
    error: new AppError(code, condition, { condition, returned: true }),
  });
const facts = () => rig.types('visitor-acme.1');
const fact = (type: string) => waitFor(async () => (await facts()).includes(type), { what: type });

it('is sent again, and after three returns its operator loses the chat', async () => {
  onResend = () => {
    back('service-unavailable');
    back('service-unavailable'); // the copy of another session
    back('service-unavailable', 'm-later');
  };
  back('service-unavailable');
  await fact('ChatUnassigned');
  expect(resends).toBe(REFUSED_TRIES - 1);
  expect(await facts()).not.toContain('MessageFailed');
});

it('stays with its operator if it was returned because a session ended', async () => {
  onResend = () => {
    void rig.toVisitor('1', { type: 'ReportMessageDelivered', messageIds: ['m1'], by: 'ping' });
  };
  back('service-unavailable');
  await fact('MessageDelivered');
  for (let n = 0; n < REFUSED_TRIES; n++) back('service-unavailable'); // late copies
  await rig.toVisitor('1', { type: 'SendMessage', messageId: 'm2', chatId: null, body: 'Hi' });
  back('service-unavailable', 'm2');
  await waitFor(() => resends === 2, { what: 'the next message to be sent again' });
  expect(await facts()).not.toContain('ChatUnassigned');
});

it('is sent again for ever while the server asks to wait', async () => {
  onResend = (sent) => {
    if (sent <= 2 * REFUSED_TRIES) back('resource-constraint', 'm1', 'unavailable');
  };
  back('resource-constraint', 'm1', 'unavailable');
  await waitFor(() => resends > 2 * REFUSED_TRIES, { what: 'many tries' });
  expect(await facts()).not.toContain('ChatUnassigned');
  expect(await facts()).not.toContain('MessageFailed');
});

it('fails at once if the condition is about the message', async () => {
  // Whatever told of it: what comes of it is caused by the message.
  causedBy({ stream: 'visitor-acme.1', revision: 0 }, () => back('not-acceptable'));
  await fact('MessageFailed');
  expect(resends).toBe(0);
  const all = await rig.facts('visitor-acme.1');
  expect(all.map(({ type }) => type)).not.toContain('ChatUnassigned');
  const [sent, failed] = ['VisitorMessageSent', 'MessageFailed'].map((type) =>
    all.find((each) => each.type === type),
  );
  expect(failed?.metadata.causationId).toBe(sent?.id);
});

it('is nothing if it is a line of the service', async () => {
  back('service-unavailable', 'intro-c1-1');
  back('not-acceptable'); // behind it
  await fact('MessageFailed');
  expect(resends).toBe(0);
});
