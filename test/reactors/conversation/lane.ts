/** The lane to XMPP of visitor 1, run step by step on a rig with an ejabberd in memory. */
import { LOOKS_AT_NOTHING, type LookAtFile } from '../../../src/files/look.ts';
import { createAnswers } from '../../../src/reactors/answers/answers.ts';
import type { PauseTimes } from '../../../src/reactors/conversation/pauses.ts';
import { createXmppLane } from '../../../src/reactors/conversation/xmpp-lane.ts';
import { createOperatorRemoval } from '../../../src/reactors/operators/removal.ts';
import { createOperatorSessions } from '../../../src/reactors/operators/sessions.ts';
import { createVisitorRooms } from '../../../src/reactors/rooms/visitor-rooms.ts';
import type { Outcome } from '../../../src/runtime/lanes/destination.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import type { OutgoingMessage, VisitorTransport } from '../../../src/xmpp/port.ts';
import { viewPage } from '../../actors/facts.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { fakeRooms } from '../../support/fake-rooms.ts';
import { linesIn, wordsIn } from '../../support/marked.ts';
import { username, usernameOrNull } from '../../support/names.ts';
import { HOST, jidOf, newId, openRig, type Rig, silent } from '../../support/rig.ts';

export const STREAM = 'visitor-acme.1';

export type MessageLane = Awaited<ReturnType<typeof openMessageLane>>;

/** A lane whose visitor has viewed a page and is logged in. Without `pauseTimes` nothing waits behind an opening. */
export async function openMessageLane(
  settings: Record<string, unknown> = {},
  pauseTimes: PauseTimes = { leastMs: 0, mostMs: 0 },
  lookAtFile: LookAtFile = LOOKS_AT_NOTHING,
) {
  const rig: Rig = await openRig({ settings });
  const ejabberd = fakeEjabberd();
  await rig.toVisitor('1', viewPage());
  await ejabberd.admin.register(jidOf('1'), 'x');
  await ejabberd.transport.online(jidOf('1'), { status: '', nick: '' });

  const { actors, store, tenants, personal, names, now } = rig;
  const { admin } = ejabberd;
  const rooms = fakeRooms();
  /** Runs before a message to a room. It may throw. */
  let beforeRoom: (message: OutgoingMessage) => void = () => {};
  const transport: VisitorTransport = {
    ...ejabberd.transport,
    async send(message) {
      if (!message.room) return ejabberd.transport.send(message);
      beforeRoom(message);
      rooms.take(message);
      ejabberd.messages.push(message);
    },
  };
  const make = () =>
    createXmppLane({
      rooms: createVisitorRooms({
        actors,
        admin,
        transport,
        rooms: rooms.rooms,
        ownership: soleOwner,
        logger: silent,
        rest: { firstMs: 0, mostMs: 0 },
      }),
      actors,
      store,
      tenants,
      personal,
      names,
      now,
      random: Math.random,
      admin,
      transport,
      ownership: soleOwner,
      logger: silent,
      pauseTimes,
      lookAtFile,
      pendingFrom: () => through + 1,
      answers: createAnswers({ ...rig, actors, store, personal, names }),
      removal: createOperatorRemoval({ actors, admin, ownership: soleOwner, now: rig.now }),
      operatorSessions: createOperatorSessions({
        actors,
        admin,
        tenants,
        operatorsOf: () => [],
        logger: silent,
      }),
    });
  /** The lane's progress: the last revision that is done. */
  let through = -1;
  let messages = make();

  const jidOfOperator = (operator: string): string => `${operator}@${HOST}`;
  const all = (operator: string) =>
    ejabberd.messages.filter(({ to }) => to === jidOfOperator(operator));

  return {
    rig,
    ejabberd,
    rooms,
    onRoom(before: typeof beforeRoom): void {
      beforeRoom = before;
    },
    messages: () => messages,
    /** Performs pending facts in order, up to the first one that cannot be done. */
    async run(): Promise<Outcome> {
      for (const event of await rig.facts(STREAM)) {
        if (event.revision <= through || !messages.destination.concerns(event)) continue;
        const outcome = await messages.destination.perform(event, new AbortController().signal);
        if (outcome.kind === 'dead')
          await messages.destination.reportFailure?.(event, outcome.reason);
        else if (outcome.kind !== 'done') return outcome;
        through = event.revision;
      }
      return { kind: 'done' };
    },
    /** Restarts the lane without its progress and its memory. */
    crash(): void {
      messages = make();
      through = -1;
    },
    /** Restarts the lane with its progress, and without its memory. */
    restart(): void {
      messages = make();
    },
    /** The visitor has a new session: what was taken and not delivered goes out again. */
    async resent(): Promise<void> {
      messages.resend(jidOf('1'));
      await messages.afterResends(jidOf('1'));
    },
    /** Ids of the stanzas that were sent to this operator, with repeats. */
    sent: (operator: string) => all(operator).map(({ id }) => id),
    /** Stanzas that the operator reads: mod_lhc drops repeats. */
    read(operator: string) {
      const byId = new Map(all(operator).map((message) => [message.id, message]));
      for (const message of all(operator).toReversed()) byId.set(message.id, message); // the first one counts
      return [...byId.values()];
    },
    /** Of each stanza: the visitor's words, or the service's lines if there are none. */
    texts(operator: string): string[] {
      return this.read(operator).map(({ body }) => wordsIn(body) || linesIn(body));
    },
    /** The service's lines of each stanza that has any. */
    lines(operator: string): string[] {
      return this.read(operator).flatMap(({ body }) => linesIn(body) || []);
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
    transfer: (from: string | null, to: { operator?: string; department?: string }) =>
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
        type: 'ReportMessageDelivered',
        messageIds,
        by: 'ping',
        operator: username(operator),
      }),
  };
}
