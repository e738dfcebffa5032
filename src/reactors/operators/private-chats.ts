/**
 * Chat rooms for the private chats of operators, as LHC asks for them over XML-RPC (docs/adr/0039). There are no facts
 * about them: LHC has the chats, ejabberd has the rooms, and LHC never asks a second time.
 *
 * On a host with several tenants ejabberd's name of a room ends with the instance, and only members may enter: so no
 * tenant's operators come into another one's room.
 */
import type { Logger } from 'pino';
import {
  operatorJid,
  personOf,
  roomDomain,
  type TenantId,
  type Username,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, messageOf } from '../../errors.ts';
import { within } from '../../kit/deadline.ts';
import { escapeLocalPart, unescapeLocalPart } from '../../kit/jid-escaping.ts';
import { createLineBudget } from '../../kit/line-budget.ts';
import { isXmlText, legibleText } from '../../kit/xml-text.ts';
import { Mailboxes } from '../../runtime/host/mailbox.ts';
import type { OperatorRooms } from '../../runtime/operator-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdRooms, Room } from '../../xmpp/port.ts';

/** How long a call waits for ejabberd. LHC gives up after 5 s, and its own listener promises 2 s. */
export const ROOM_WAIT_MS = 1_500;
/** Calls of one room that wait for ejabberd. LHC makes five for a private chat, and one for each message. */
export const CALLS_OF_ROOM = 64;
/** Calls of all rooms that wait for ejabberd. */
export const CALLS_WAITING = 1_000;
/** Rooms of a tenant in a list. Nobody has so many: LHC looks for one room in it. */
export const ROOMS_LISTED = 10_000;
/** The name of a room, the nick of a subscriber and the reason of an invitation at most. LHC's fields are shorter. */
export const ROOM_TEXT_CHARACTERS = 250;
/** People in one invitation. */
export const INVITED_AT_ONCE = 100;

/** How LHC calls its users who have no XMPP account: `{name}.{surname}.operator`. */
const WITHOUT_ACCOUNT = /^[^@/]+\.operator$/;

interface RoomOptions {
  readonly actors: Pick<Actors, 'operator'>;
  readonly tenants: TenantDirectory;
  readonly rooms: EjabberdRooms;
  readonly newId: () => string;
  readonly logger: Logger;
  /** Default {@link ROOM_WAIT_MS}. */
  readonly waitMs?: number;
}

const invalid = (message: string): AppError => new AppError('invalid', message);

/** @throws {AppError} `invalid` */
function shortText(what: string, text: string): string {
  if (text.length > ROOM_TEXT_CHARACTERS) {
    throw invalid(`${what} has more than ${ROOM_TEXT_CHARACTERS} characters`);
  }
  if (!isXmlText(text) || /\p{Cc}/u.test(text)) throw invalid(`${what} has a control character`);
  return text;
}

const serviceOf = ({ host }: Tenant): string => roomDomain(host);
const suffixOf = ({ instance }: Tenant): string => (instance ? `.${instance}` : '');

/** What ejabberd leaves out of the local part of a JID (RFC 3454, table B.1). */
const LEFT_OUT = /[\p{Default_Ignorable_Code_Point}\u1806]/gu;

/** True for a name that ejabberd may take for that of a visitor's room, after it has prepared it as a local part. */
const isOfVisitors = (name: string): boolean =>
  name.replace(LEFT_OUT, '').normalize('NFKC').toLowerCase().startsWith('visitor.');

/** @throws {AppError} `invalid` */
function roomOf(tenant: Tenant, name: string): Room {
  if (name === '') throw invalid('the name of the room is empty');
  if (isOfVisitors(name)) {
    throw invalid('the name of the room begins with "visitor.": those are the rooms of visitors');
  }
  const local = escapeLocalPart(shortText('the name of the room', name));
  return { name: `${local}${suffixOf(tenant)}`, service: serviceOf(tenant) };
}

/** The name of a room as LHC has it; null if it is not a room of this tenant. */
function nameOf(tenant: Tenant, local: string): string | null {
  const suffix = suffixOf(tenant);
  if (!local.endsWith(suffix) || local.length === suffix.length || isOfVisitors(local)) return null;
  return unescapeLocalPart(suffix ? local.slice(0, -suffix.length) : local);
}

const late = (ms: number) => (): AppError =>
  new AppError('timeout', `ejabberd has not answered within ${ms / 1000} s`);

export function createOperatorRooms(options: RoomOptions): OperatorRooms {
  const { actors, tenants, rooms, newId, logger, waitMs = ROOM_WAIT_MS } = options;
  const queues = new Mailboxes(CALLS_OF_ROOM);
  const lines = createLineBudget();

  /** @throws {AppError} `refused` */
  function settingsOf(id: TenantId): Tenant {
    const tenant = tenants.get(id);
    if (!tenant) throw new AppError('refused', 'this tenant is not known');
    return tenant;
  }

  function failed(tenant: Tenant, what: string, error: unknown): void {
    const line = lines(`${tenant.id} ${what}`);
    logger[line ? 'warn' : 'debug'](
      { tenant: tenant.id, what, reason: messageOf(error), ...line },
      'a private chat of operators is not as LHC has it: ejabberd did not do what it was asked for',
    );
  }

  /** Waits for the work, but not for too long. A failure that comes later is logged when it comes. */
  async function patiently(tenant: Tenant, what: string, work: Promise<unknown>) {
    const done = work.catch((error) => failed(tenant, what, error));
    await within(waitMs, done, late(waitMs)).catch((error) => failed(tenant, what, error));
  }

  /** Carries out a call behind the earlier calls of its room. */
  function inRoom(
    tenant: Tenant,
    name: string,
    what: string,
    work: (room: Room) => Promise<void>,
  ): Promise<void> {
    const room = roomOf(tenant, name);
    const full = queues.waiting >= CALLS_WAITING;
    const doing = full
      ? Promise.reject(new AppError('overloaded', 'too many calls wait for ejabberd'))
      : queues.run(`${room.name}@${room.service}`, () => work(room));
    return patiently(tenant, what, doing);
  }

  /** The bare JID of an operator of this tenant who is registered. @throws {AppError} `refused` */
  async function registered(tenant: Tenant, jid: string): Promise<string> {
    const known = await registeredName(tenant, jid);
    if (known) return operatorJid(tenant, known);
    throw new AppError('refused', `${shortText('a JID', jid)} is no operator of this tenant`);
  }

  async function registeredName(tenant: Tenant, jid: string): Promise<Username | null> {
    const person = personOf(jid, tenants.ofHost);
    if (person?.kind !== 'operator' || person.tenant !== tenant.id) return null;
    const actor = actors.operator(tenant.id, person.name);
    const isKnown = (await actor.state())?.context.registered;
    return isKnown || (await actor.latest())?.context.registered ? person.name : null;
  }

  /**
   * The bare JID of an operator, or of a user of LHC without an account. LHC writes a name with spaces now with them and
   * now with dots.
   * @throws {AppError} `refused`
   */
  async function participant(tenant: Tenant, jid: string): Promise<string> {
    const at = jid.lastIndexOf('@');
    const local = shortText('a JID', jid.slice(0, at)).trim().replace(/\s+/g, '.').toLowerCase();
    const bare = `${local}@${jid.slice(at + 1).toLowerCase()}`;
    const known = await registeredName(tenant, bare);
    if (known) return operatorJid(tenant, known);
    const person = personOf(bare, tenants.ofHost);
    const isOther = person !== null && person.tenant !== tenant.id;
    if (!isOther && bare.endsWith(`@${tenant.host}`) && WITHOUT_ACCOUNT.test(local)) return bare;
    return registered(tenant, bare);
  }

  const letIn = async (tenant: Tenant, room: Room, jid: string): Promise<void> => {
    if (tenant.instance) await rooms.addMember(room, jid);
  };

  return {
    async list(id) {
      const tenant = settingsOf(id);
      const names: string[] = [];
      const reading = rooms.list(serviceOf(tenant), (locals) => {
        for (const local of locals) {
          const name = nameOf(tenant, local);
          if (name !== null && names.length < ROOMS_LISTED) names.push(name);
        }
      });
      let isComplete = false;
      await patiently(
        tenant,
        'list of rooms',
        reading.then(() => {
          isComplete = true;
        }),
      );
      return isComplete ? names : [];
    },
    async create(id, name) {
      const tenant = settingsOf(id);
      await inRoom(tenant, name, 'new room', async (room) => {
        await rooms.create(room);
        if (!tenant.instance) return;
        await rooms.setOption(room, 'members_only', 'true');
        await rooms.setOption(room, 'public', 'false');
      });
    },
    allowSubscription: async (id, name, allowed) =>
      inRoom(settingsOf(id), name, 'option of a room', (room) =>
        rooms.setOption(room, 'allow_subscription', String(allowed)),
      ),
    async subscribe(id, name, { jid, nick, nodes }) {
      const tenant = settingsOf(id);
      const subscriber = await participant(tenant, jid);
      const [as, to] = [shortText('the nick', nick), shortText('the list of nodes', nodes)];
      await inRoom(tenant, name, 'subscription', async (room) => {
        await letIn(tenant, room, subscriber);
        await rooms.subscribe(room, subscriber, as, to);
      });
    },
    async invite(id, name, jids, reason) {
      const tenant = settingsOf(id);
      if (jids.length > INVITED_AT_ONCE) {
        throw invalid(`more than ${INVITED_AT_ONCE} people are invited at once`);
      }
      const invited: string[] = [];
      for (const jid of jids) invited.push(await registered(tenant, jid));
      const text = shortText('the reason', reason);
      await inRoom(tenant, name, 'invitation', async (room) => {
        for (const jid of invited) await letIn(tenant, room, jid);
        await rooms.invite(room, invited, text);
      });
    },
    async say(id, name, from, body) {
      const tenant = settingsOf(id);
      const sender = await participant(tenant, from);
      await inRoom(tenant, name, 'message in a room', (room) =>
        rooms.say(room, sender, newId(), legibleText(body)),
      );
    },
    destroy: async (id, name) =>
      inRoom(settingsOf(id), name, 'end of a room', (room) => rooms.destroy(room)),
  };
}
