/** The lane to XMPP of visitor 1, performed by hand on a rig and an ejabberd in memory. */
import { createAnswers } from '../../../src/reactors/answers/answers.ts';
import { createXmppLane } from '../../../src/reactors/conversation/xmpp-lane.ts';
import { createOperatorRemoval } from '../../../src/reactors/operators/removal.ts';
import type { Outcome } from '../../../src/runtime/lanes/destination.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { viewPage } from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username, usernameOrNull } from '../../support/names.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../../support/rig.ts';

export const STREAM = 'visitor-acme.1';

export type MessageLane = Awaited<ReturnType<typeof openMessageLane>>;

/** The visitor has viewed a page and is logged in. */
export async function openMessageLane(settings: Record<string, unknown> = {}) {
  const rig: Rig = await openRig({ settings });
  const ejabberd = fakeEjabberd();
  await rig.toVisitor('1', viewPage());
  await ejabberd.admin.register(jidOf('1'), 'x');
  await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });

  const { actors, store, tenants, personal, now } = rig;
  const { admin, transport } = ejabberd;
  const make = () =>
    createXmppLane({
      actors,
      store,
      tenants,
      personal,
      now,
      admin,
      transport,
      ownership: soleOwner,
      logger: silent,
      answers: createAnswers({ actors, store, personal, now }),
      removal: createOperatorRemoval({ actors, admin, ownership: soleOwner, now: rig.now }),
    });
  let messages = make();
  /** Done up to this revision, as a lane would know. */
  let through = -1;

  const named = (operator: string): string => `${operator}@${HOST}`;
  const all = (operator: string) => ejabberd.messages.filter(({ to }) => to === named(operator));

  return {
    rig,
    ejabberd,
    messages: () => messages,
    /** Performs what waits, in order, until something is not done. */
    async run(): Promise<Outcome> {
      for (const event of await rig.facts(STREAM)) {
        if (event.revision <= through || !messages.destination.concerns(event)) continue;
        const outcome = await messages.destination.perform(event, new AbortController().signal);
        if (outcome.kind === 'dead') await messages.destination.gaveUp?.(event, outcome.reason);
        else if (outcome.kind !== 'done') return outcome;
        through = event.revision;
      }
      return { kind: 'done' };
    },
    /** The process died before it wrote down how far it came, or anything else. */
    crash(): void {
      messages = make();
      through = -1;
    },
    /** What was sent to this operator, repeats as well. */
    sent: (operator: string) => all(operator).map(({ id }) => id),
    /** What he reads: mod_lhc drops what comes again. */
    read(operator: string) {
      const byId = new Map(all(operator).map((message) => [message.id, message]));
      for (const message of all(operator).toReversed()) byId.set(message.id, message); // the first one counts
      return [...byId.values()];
    },
    texts(operator: string): string[] {
      return this.read(operator).map(({ body }) => body);
    },
    forget(): void {
      ejabberd.messages.length = 0;
    },
    async failures(): Promise<unknown[]> {
      return (await rig.facts(STREAM)).flatMap(({ type, data }) =>
        type === 'MessageFailed' ? [data.reason] : [],
      );
    },
    say: (id: string, body = id) =>
      rig.toVisitor('1', { type: 'SendMessage', messageId: id, chatId: null, body }),
    answer: (operator: string, id: string) =>
      rig.toVisitor('1', {
        type: 'ReceiveOperatorMessage',
        operator: username(operator),
        messageId: id,
        body: id,
      }),
    assign: (operator: string) =>
      rig.toVisitor('1', {
        type: 'AssignChat',
        chatId: 'c1',
        operator: username(operator),
        reservation: newId(),
        reason: 'least-loaded',
      }),
    offer: (...operators: string[]) =>
      rig.toVisitor('1', {
        type: 'OfferChat',
        chatId: 'c1',
        operators: operators.map(username),
        reason: 'broadcast',
      }),
    unassign: (operator: string, reason: 'offline' | 'owner-gone' = 'owner-gone') =>
      rig.toVisitor('1', {
        type: 'UnassignChat',
        chatId: 'c1',
        operator: username(operator),
        reason,
      }),
    handOn: (from: string | null, to: { operator?: string; department?: string }) =>
      rig.toVisitor('1', {
        type: 'TransferChat',
        chatId: 'c1',
        from: usernameOrNull(from),
        reservation: null,
        operator: usernameOrNull(to.operator ?? null),
        department: to.department ?? null,
      }),
    delivered: (operator: string, ...messageIds: string[]) =>
      rig.toVisitor('1', {
        type: 'ReportDelivered',
        messageIds,
        by: 'ping',
        operator: username(operator),
      }),
  };
}
