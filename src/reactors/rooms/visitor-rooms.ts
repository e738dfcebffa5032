/**
 * The rooms of visitors' chats at ejabberd (docs/adr/0062). The private window keeps every promise; a room only mirrors
 * it. So nobody waits long for a room, and for one that has failed not at all for a while.
 *
 * What is ready is remembered, and made anew when a message comes back, the visitor's session or the component's stream
 * is lost, or the visitor has another address. `sweep.ts` destroys rooms.
 */
import type { Logger } from 'pino';
import {
  hostOfComponent,
  operatorJid,
  roomDomain,
  streamOf,
  type Username,
  visitorJid,
  visitorRef,
  visitorRoom,
} from '../../actors/ids.ts';
import { AppError, isExpected, isRefused, messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { cut } from '../../kit/cut.ts';
import { within } from '../../kit/deadline.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { Lru } from '../../kit/lru.ts';
import { legibleText } from '../../kit/xml-text.ts';
import { Mailboxes } from '../../runtime/host/mailbox.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type {
  EjabberdAdmin,
  EjabberdRooms,
  OutgoingMessage,
  Room,
  VisitorTransport,
} from '../../xmpp/port.ts';
import {
  createRoomMaking,
  late,
  type OpenRoom,
  type RoomInMaking,
  type RoomOwner,
} from './room-making.ts';

/** How long a call waits for a room: a message for the private window waits behind it. */
export const VISITOR_ROOM_WAIT_MS = 2_000;
/** How long a room is left alone after a failure: longer after each one in a row. */
export const VISITOR_ROOM_REST: RetryPolicy = { firstMs: 1_000, mostMs: 60_000 };
/** Calls of one room that wait for ejabberd. A lane makes one at a time. */
export const CALLS_OF_VISITOR_ROOM = 16;
/** Rooms that are remembered. Of any other one everything is set again. */
export const VISITOR_ROOMS_REMEMBERED = 5_000;
/** Characters of the reason of an invitation. */
export const ROOM_REASON_CHARACTERS = 250;

/** A visitor, and whether this process may still act for them. */
export interface RoomSender extends RoomOwner {
  readonly mayAct: () => boolean;
}

/** A message without its addresses. */
export type RoomContent = Omit<OutgoingMessage, 'from' | 'to' | 'room' | 'inRoom'>;

/**
 * Calls of one room are carried out in order. Each rejects after {@link VISITOR_ROOM_WAIT_MS} at the latest, and for a
 * while after a failure at once (`unavailable`, with `details.isResting`).
 * @throws {AppError} from every call: `refused` if ejabberd has no rooms for this host, or says no; `unavailable`,
 * `timeout` or `overloaded` if it cannot be done now
 */
export interface VisitorRooms {
  /**
   * As {@link ensure}, and whoever is still in the room of an earlier chat is out.
   * @param opening the fact that opens it, the same at each try
   */
  open(sender: RoomSender, room: OpenRoom, opening: string): Promise<void>;
  /** Makes the room if it is not there, sets its options, lets these operators in, subscribes the visitor. Idempotent. */
  ensure(sender: RoomSender, room: OpenRoom): Promise<void>;
  /** Direct invitation (XEP-0249) of operators who are members. */
  invite(sender: RoomSender, operators: readonly Username[], reason: string): Promise<void>;
  /** Sends into the room, which is made first if need be, and once more if it is gone. Resolves when the room has it. */
  send(sender: RoomSender, room: OpenRoom, content: RoomContent): Promise<void>;
}

/** What the sweep needs. */
export interface KeptRooms {
  /** Visitors whose rooms this process has made, or tried to. */
  known(): readonly RoomOwner[];
  /**
   * Destroys a room, behind the calls that wait for it.
   * @param isToGo asked right before
   * @returns false if it stays
   * @throws {AppError} as the calls of {@link VisitorRooms}, without their bound in time
   */
  destroy(owner: RoomOwner, isToGo: () => Promise<boolean>): Promise<boolean>;
}

export interface VisitorRoomsOptions {
  readonly actors: Pick<Actors, 'visitor'>;
  readonly rooms: EjabberdRooms;
  readonly transport: Pick<VisitorTransport, 'send' | 'isOnline' | 'listen'>;
  readonly admin: Pick<EjabberdAdmin, 'sendMessage'>;
  readonly ownership: Ownership;
  readonly logger: Logger;
  /** Milliseconds that never run backwards. Default `performance.now`. */
  readonly monotonic?: () => number;
  /** In [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** Default {@link VISITOR_ROOM_WAIT_MS}. */
  readonly waitMs?: number;
  /** Default {@link VISITOR_ROOM_REST}. */
  readonly rest?: RetryPolicy;
}

interface Kept extends RoomInMaking {
  /** The last fact that opened it. */
  openedBy: string | null;
  failures: number;
  /** Until then nothing is tried, ms of `monotonic`. */
  restsUntil: number;
}

/** Another process has the visitor now. */
class LaneLost extends AppError {
  constructor() {
    super('unavailable', 'another process has this lane now');
  }
}

const jidOf = ({ name, service }: Room): string => `${name}@${service}`;

class RoomGone extends AppError {
  constructor(cause: AppError) {
    super('refused', cause.message, cause.details, { cause });
  }
}

/** The room, or the visitor's place in it, is gone. */
const isGone = (error: unknown): boolean =>
  error instanceof RoomGone || (isRefused(error) && error.details.returned === true);

export function createVisitorRooms(options: VisitorRoomsOptions): VisitorRooms & KeptRooms {
  const { actors, rooms, transport, admin, ownership, logger } = options;
  const { monotonic = () => performance.now(), random = Math.random } = options;
  const { waitMs = VISITOR_ROOM_WAIT_MS, rest = VISITOR_ROOM_REST } = options;
  const { makeReady, makeAnew, subscribe } = createRoomMaking({ rooms, monotonic });
  const queues = new Mailboxes(CALLS_OF_VISITOR_ROOM);
  const lines = createLineBudget();
  /** By the room's JID. */
  const kept = new Lru<Kept>(VISITOR_ROOMS_REMEMBERED);

  transport.listen({
    sessionStarted: () => undefined,
    sessionLost(jid) {
      const at = jid.indexOf('@');
      const domain = jid.slice(at + 1);
      const host = hostOfComponent(domain) ?? domain;
      const entry = kept.peek(`${jid.slice(0, at)}@${roomDomain(host)}`);
      if (entry) entry.ready = null;
    },
    // ejabberd may have been restarted, and have lost the changes of its last seconds.
    streamLost(host) {
      for (const [, entry] of kept.entries()) {
        if (entry.owner.tenant.host === host) entry.ready = null;
      }
    },
  });

  function entryOf({ tenant, key }: RoomOwner): Kept {
    const room = visitorRoom(tenant, key);
    const known = kept.get(jidOf(room));
    if (known) {
      known.owner = { tenant, key };
      return known;
    }
    const nothing = { ready: null, openedBy: null, wasMade: false, failures: 0, restsUntil: 0 };
    const entry: Kept = { owner: { tenant, key }, room, ...nothing };
    kept.set(jidOf(room), entry);
    return entry;
  }

  function succeeded(entry: Kept): void {
    entry.failures = 0;
    entry.restsUntil = 0;
  }

  function failed(entry: Kept, error: unknown): void {
    // The visitor's session is on its way, or another process has the visitor now.
    if (isExpected(error) || error instanceof LaneLost) return;
    entry.ready = null;
    entry.failures += 1;
    entry.restsUntil = monotonic() + backoff(entry.failures, rest, random);
    const { tenant, key } = entry.owner;
    const line = lines(tenant.id);
    logger[line ? 'warn' : 'debug'](
      { tenant: tenant.id, visitor: key, reason: messageOf(error), ...line },
      'the room of a chat cannot be used now; messages go to the private window alone',
    );
  }

  /**
   * Carries out a call behind the earlier ones of its room, and waits for it, but not for long. What has begun goes on.
   * @param work gets to know whether nobody waits any more
   */
  async function inRoom(
    { tenant, key, mayAct }: RoomSender,
    work: (entry: Kept, isLate: () => boolean) => Promise<void>,
  ): Promise<void> {
    const entry = entryOf({ tenant, key });
    if (monotonic() < entry.restsUntil) {
      throw new AppError('unavailable', 'the room has failed a moment ago', { isResting: true });
    }
    let isLate = false;
    const doing = queues.run(jidOf(entry.room), async () => {
      if (isLate) throw late();
      if (!mayAct()) throw new LaneLost();
      await work(entry, () => isLate);
    });
    doing.then(
      () => succeeded(entry),
      (error) => {
        if (!isLate) failed(entry, error);
      },
    );
    await within(waitMs, doing, () => {
      isLate = true;
      failed(entry, late());
      return late();
    });
  }

  /**
   * True if the visitor's session has to send.
   * @throws {AppError} `unavailable` while there is none: nothing of the room is tried then
   */
  async function bySession({ tenant, key, mayAct }: RoomSender): Promise<boolean> {
    const state = await actors.visitor(tenant.id, key).state();
    if (!mayAct()) throw new LaneLost();
    const jid = visitorJid(tenant, key);
    if (transport.isOnline(jid)) return true;
    const stream = streamOf(visitorRef(tenant.id, key));
    if (state?.presence !== 'online' || !ownsStream(ownership, stream)) return false;
    throw new AppError('unavailable', `${jid} has no session now`, { isOnItsWay: true });
  }

  async function write(entry: Kept, sender: RoomSender, content: RoomContent): Promise<void> {
    const { tenant, key } = sender;
    const from = visitorJid(tenant, key);
    const message: OutgoingMessage = { ...content, from, to: jidOf(entry.room), room: true };
    if (await bySession(sender)) return transport.send(message);
    if (tenant.transport === 'component') return admin.sendMessage(message);
    // By the API no answer of the room comes back. So it is asked before, and behind the message.
    const nick = entry.ready?.nick ?? '';
    try {
      await subscribe(entry, from, nick);
    } catch (error) {
      throw isRefused(error) ? new RoomGone(error) : error;
    }
    await admin.sendMessage(message);
    await rooms.setOption(entry.room, 'members_only', 'true');
  }

  return {
    open: (sender, open, opening) =>
      inRoom(sender, async (entry) => {
        if (entry.openedBy !== opening) {
          await rooms.destroy(entry.room);
          entry.ready = null;
          entry.openedBy = opening;
        }
        await makeReady(entry, open);
      }),
    ensure: (sender, open) => inRoom(sender, (entry) => makeReady(entry, open)),
    invite: (sender, operators, reason) =>
      inRoom(sender, async ({ room }) => {
        const jids = operators.map((operator) => operatorJid(sender.tenant, operator));
        await rooms.invite(room, jids, cut(legibleText(reason), ROOM_REASON_CHARACTERS));
      }),
    send: (sender, open, content) =>
      inRoom(sender, async (entry, isLate) => {
        await bySession(sender);
        await makeReady(entry, open);
        if (isLate()) {
          succeeded(entry); // it is there for the next message
          throw late();
        }
        try {
          await write(entry, sender, content);
        } catch (error) {
          if (!isGone(error) || isLate()) throw error;
          await makeAnew(entry, open);
          if (isLate()) throw late();
          await write(entry, sender, content);
        }
      }),
    known: () => [...kept.entries()].map(([, { owner }]) => owner),
    destroy(owner, isToGo) {
      const room = visitorRoom(owner.tenant, owner.key);
      return queues.run(jidOf(room), async () => {
        if (!(await isToGo())) return false;
        await rooms.destroy(room).catch((error) => {
          // There are no rooms at this host.
          if (!isRefused(error) || kept.peek(jidOf(room))?.wasMade !== false) throw error;
        });
        kept.delete(jidOf(room));
        return true;
      });
    },
  };
}
