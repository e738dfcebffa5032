/**
 * The accounts of operators that were removed. The lane of the operator's stream takes an account away, and the request
 * does when the lane is not there in time; that it is gone is a fact, so that neither comes back for the account of
 * whoever gets the name next.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  operatorJid,
  operatorRef,
  rosterGroups,
  streamOf,
  type Username,
} from '../../actors/ids.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { Mailboxes } from '../../runtime/host/mailbox.ts';
import { type Ownership, ownsStream } from '../../runtime/leases/ownership.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Requests and lanes that may wait for one account. */
const MOST_WAITING = 32;
/** How long another process's lane is waited for. */
const ANOTHER_PROCESS_MS = 3_000;
const LOOK_EVERY_MS = 50;
/** A lane gives up after 24 h; an hour more for clocks and a service that was down. */
const RECENT_MS = 25 * 3_600_000;
/** How long ejabberd has to end the sessions of an account that it removed. */
const SESSIONS_END_MS = 2_000;

export interface OperatorRemoval {
  /** One at a time for each operator: nothing else touches its account meanwhile. @throws {AppError} `overloaded` */
  exclusively<T>(tenant: TenantSettings, username: Username, work: () => Promise<T>): Promise<T>;
  /**
   * The account of a removed operator is gone when this resolves; one that is registered again is left alone. Only
   * within {@link exclusively}. @throws {AppError} `unavailable` when ejabberd is away
   */
  finish(tenant: TenantSettings, username: Username): Promise<void>;
  /**
   * The same before the name is given again. A removal that is so old that its lane has done or given it up is left as
   * it is: an account that is there now may be anybody's, and older releases did not write down that it was done.
   */
  finishRecent(tenant: TenantSettings, username: Username): Promise<void>;
}

export function createOperatorRemoval(options: {
  actors: Actors;
  admin: EjabberdAdmin;
  ownership: Ownership;
  now: () => number;
}): OperatorRemoval {
  const { actors, admin, ownership, now } = options;
  const turns = new Mailboxes(MOST_WAITING);

  async function isLeaving(tenant: TenantSettings, username: Username): Promise<boolean> {
    const state = await actors.operator(tenant.id, username).latest();
    return state?.context.leaving ?? false;
  }

  const report = (tenant: TenantSettings, username: Username) =>
    actors.operator(tenant.id, username).send({ type: 'ReportAccountRemoved' });

  async function finish(tenant: TenantSettings, username: Username): Promise<void> {
    const stream = streamOf(operatorRef(tenant.id, username));
    // Two that take the same account away may overlap with whoever makes it anew: let the owner do it.
    const until = performance.now() + ANOTHER_PROCESS_MS;
    while (!ownsStream(ownership, stream) && performance.now() < until) {
      if (!(await isLeaving(tenant, username))) return;
      await delay(LOOK_EVERY_MS);
    }
    if (!(await isLeaving(tenant, username))) return;
    await removeAccount(admin, tenant, username);
    await report(tenant, username);
  }

  return {
    exclusively: (tenant, username, work) => turns.run(`${tenant.id}.${username}`, work),
    finish,
    async finishRecent(tenant, username) {
      const state = await actors.operator(tenant.id, username).latest();
      if (!state?.context.leaving) return;
      // Facts behind the removal only make it look younger.
      if (now() - state.at > RECENT_MS) await report(tenant, username);
      else await finish(tenant, username);
    },
  };
}

/**
 * The account goes first: nobody logs in again, and its sessions end while there are contacts who are told so. Then its
 * place in the roster.
 */
async function removeAccount(
  admin: EjabberdAdmin,
  tenant: TenantSettings,
  username: Username,
): Promise<void> {
  const jid = operatorJid(tenant, username);
  await admin.unregister(jid);
  // ejabberd ends the sessions of an account that it removes, a moment later; one that stays is ended here.
  const until = performance.now() + SESSIONS_END_MS;
  let left = await admin.sessions(jid);
  while (left.length > 0 && performance.now() < until) {
    await delay(LOOK_EVERY_MS);
    left = await admin.sessions(jid);
  }
  for (const { resource } of left) await admin.kick(jid, resource, 'This account was removed');
  await admin.leaveGroup(jid, rosterGroups(tenant).operators);
}
