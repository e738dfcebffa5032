/**
 * Destroys the rooms of visitors whose chat has no room any more: a minute after its end, so that people in it can read the
 * last words. Also those that a killed process has left, and those of visitors who were erased. Each process looks after
 * the visitors that it owns.
 *
 * A room is found in two ways: this process has made it, or ejabberd lists it.
 */
import type { Logger } from 'pino';
import {
  personOf,
  roomDomain,
  rosterGroups,
  streamOf,
  type TenantId,
  visitorRef,
  visitorRoom,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorState } from '../../actors/visitor/state.ts';
import { AppError, isPermanent, messageOf } from '../../errors.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { createTurns } from '../../kit/turns.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin, EjabberdRooms } from '../../xmpp/port.ts';
import type { RoomOwner } from './room-making.ts';
import type { KeptRooms } from './visitor-rooms.ts';

/** How long a room stays after the end of its chat. */
export const ROOM_STAYS_MS = 60_000;
/** How often the known rooms are looked at. */
export const ROOMS_LOOK_EVERY_MS = 10_000;
/** Rooms that are remembered at most. Others are found later. */
export const MAX_ROOMS_FOUND = 10_000;
/** After a failure the rooms are listed again so much later. */
const LIST_RETRY_MS = 60_000;
/** After so long a host without rooms is asked again whether it has some. */
const ASK_AGAIN_MS = 3_600_000;
/** Rooms that are looked at before the event loop serves others. */
const LOOKED_AT_ONCE = 100;

export interface RoomSweep {
  /** Begins: ejabberd lists its rooms, and from then on the known ones are looked at. */
  start(): void;
  /** Asks ejabberd for its rooms again, at the next look. */
  compare(): void;
  /**
   * Destroys all rooms of a tenant's visitors. Does nothing if the host has no rooms.
   * @param mayGoOn asked before each room
   * @throws {AppError} `unavailable`
   */
  removeAll(tenant: Tenant, mayGoOn: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface RoomSweepOptions {
  readonly kept: KeptRooms;
  readonly rooms: Pick<EjabberdRooms, 'list' | 'destroy'>;
  readonly admin: Pick<EjabberdAdmin, 'groupMark'>;
  readonly actors: Pick<Actors, 'visitor'>;
  readonly tenants: Pick<TenantDirectory, 'all' | 'get' | 'ofHost'>;
  readonly ownership: Ownership;
  /** The id of the log of this process: only rooms of its own tenants are destroyed (docs/adr/0028). */
  readonly logId: string;
  /** Whether the visitor's chat has a room. */
  readonly hasRoom: (state: VisitorState) => boolean;
  readonly logger: Logger;
  /** Milliseconds that never run backwards. Default `performance.now`. */
  readonly monotonic?: () => number;
  /** Default {@link ROOM_STAYS_MS}. */
  readonly roomStaysMs?: number | undefined;
  /** Default {@link ROOMS_LOOK_EVERY_MS}. */
  readonly roomsLookEveryMs?: number | undefined;
}

const nextTurn = createTurns();

/** How the rooms of visitors begin, of all tenants. */
const OF_VISITORS = 'visitor.';

const jidOf = ({ tenant, key }: RoomOwner): string => {
  const { name, service } = visitorRoom(tenant, key);
  return `${name}@${service}`;
};

export function createRoomSweep(options: RoomSweepOptions): RoomSweep {
  const { kept, rooms, admin, actors, tenants, ownership, logId, hasRoom, logger } = options;
  const { monotonic = () => performance.now() } = options;
  const { roomStaysMs = ROOM_STAYS_MS, roomsLookEveryMs = ROOMS_LOOK_EVERY_MS } = options;
  const lines = createLineBudget();
  /** Rooms that ejabberd has listed, by their JID. */
  const found = new Map<string, RoomOwner>();
  /** Since when a room is not wanted, ms of `monotonic`. */
  const unwantedSince = new Map<string, number>();
  /** Hosts without mod_muc, and when to ask them again, ms of `monotonic`: each question is an error in ejabberd's log. */
  const withoutRooms = new Map<string, number>();
  /** When ejabberd is asked for its rooms, ms of `monotonic`. */
  let listAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | null = null;
  let isStopped = false;

  ownership.onChange((_partition, owned) => {
    if (owned) listAt = 0;
  });

  const isMine = ({ tenant, key }: RoomOwner): boolean =>
    !isStopped && ownsStream(ownership, streamOf(visitorRef(tenant.id, key)));

  /** The rooms of these tenants' visitors at their host. */
  async function listed(host: string, of: readonly Tenant[]): Promise<RoomOwner[]> {
    const owners: RoomOwner[] = [];
    await rooms.list(roomDomain(host), (names) => {
      for (const name of names) {
        if (!name.startsWith(OF_VISITORS) || owners.length >= MAX_ROOMS_FOUND) continue;
        const person = personOf(`${name}@${host}`, () => of);
        const tenant = of.find(({ id }) => id === person?.tenant);
        if (tenant && person?.kind === 'visitor') owners.push({ tenant, key: person.name });
      }
    });
    return owners;
  }

  /** Whether the tenant is this log's, or nobody has said whose it is yet. */
  async function isOwn(tenant: Tenant): Promise<boolean> {
    return (await admin.groupMark(tenant.host, rosterGroups(tenant).visitors)) === logId;
  }

  async function list(): Promise<void> {
    listAt = Number.POSITIVE_INFINITY;
    for (const host of new Set(tenants.all().map((tenant) => tenant.host))) {
      if (isStopped || monotonic() < (withoutRooms.get(host) ?? 0)) continue;
      await listHost(host).catch((error) => {
        listAt = monotonic() + LIST_RETRY_MS;
        tell(error);
      });
    }
  }

  async function listHost(host: string): Promise<void> {
    const own = new Map<TenantId, boolean>();
    const owners = await listed(host, tenants.ofHost(host)).catch((error) => {
      if (!hasNoRooms(error)) throw error;
      withoutRooms.set(host, monotonic() + ASK_AGAIN_MS);
      return [];
    });
    for (const owner of owners) {
      const { tenant } = owner;
      const isOurs = own.get(tenant.id) ?? (await isOwn(tenant));
      own.set(tenant.id, isOurs);
      if (isOurs && isMine(owner) && found.size < MAX_ROOMS_FOUND) found.set(jidOf(owner), owner);
    }
  }

  /** @param isLast as the log is now. @returns whether nothing calls for the room */
  async function isToGo({ tenant, key }: RoomOwner, isLast = false): Promise<boolean> {
    const actor = actors.visitor(tenant.id, key);
    const state = await (isLast ? actor.latest() : actor.state());
    return isMine({ tenant, key }) && !(state && hasRoom(state));
  }

  async function lookAt(owner: RoomOwner): Promise<void> {
    const jid = jidOf(owner);
    if (!tenants.get(owner.tenant.id) || !isMine(owner)) {
      found.delete(jid);
      unwantedSince.delete(jid);
      return;
    }
    if (!(await isToGo(owner))) {
      unwantedSince.delete(jid);
      return;
    }
    const since = unwantedSince.get(jid) ?? monotonic();
    unwantedSince.set(jid, since);
    if (monotonic() - since < roomStaysMs) return;
    // A new chat may have a room meanwhile.
    if (!(await kept.destroy(owner, () => isToGo(owner, true)))) return;
    found.delete(jid);
    unwantedSince.delete(jid);
    logger.debug({ tenant: owner.tenant.id, visitor: owner.key }, 'the room of a chat has ended');
  }

  async function look(): Promise<void> {
    if (monotonic() >= listAt) await list();
    const all = new Map(found);
    for (const owner of kept.known()) all.set(jidOf(owner), owner);
    for (const jid of unwantedSince.keys()) if (!all.has(jid)) unwantedSince.delete(jid);
    let looked = 0;
    for (const owner of all.values()) {
      looked += 1;
      if (looked % LOOKED_AT_ONCE === 0) await nextTurn();
      if (isStopped) return;
      await lookAt(owner).catch((error) => {
        if (!isPermanent(error)) throw error; // the others would fail, too
        tell(error, owner.tenant.id);
      });
    }
  }

  function tell(error: unknown, tenant?: TenantId): void {
    const line = lines(`rooms ${tenant ?? ''}`);
    logger[line ? 'warn' : 'debug'](
      { ...(tenant && { tenant }), reason: messageOf(error), ...line },
      'rooms of chats that are over could not be removed; this is tried again',
    );
  }

  function tick(): void {
    if (running) return;
    running = look()
      .catch((error) => tell(error))
      .finally(() => {
        running = null;
      });
  }

  return {
    start() {
      tick();
      timer = setInterval(tick, roomsLookEveryMs).unref();
    },
    compare() {
      listAt = 0;
    },
    async removeAll(tenant, mayGoOn) {
      try {
        for (const owner of await listed(tenant.host, [tenant])) {
          await kept.destroy(owner, async () => mayGoOn());
        }
      } catch (error) {
        if (!hasNoRooms(error)) throw error;
      }
    },
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

/** ejabberd has no mod_muc at the host: its call crashes there (measured on 23.01), or it says no. */
const hasNoRooms = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'refused' || error.details.reason === 'crash');
