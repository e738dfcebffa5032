/**
 * Operators' accounts. A password that a caller gives is applied to ejabberd within the request and kept nowhere: the
 * one effect that comes before its fact (DESIGN.md, promise 8).
 */
import {
  operatorJid,
  operatorRef,
  rosterGroups,
  type TenantId,
  type Username,
} from '../actors/ids.ts';
import { type OperatorCommand, operatorState } from '../actors/operator-decisions.ts';
import type { TenantSettings } from '../actors/tenant.ts';
import type { TenantDirectory } from '../actors/tenant-directory.ts';
import { AppError } from '../errors.ts';
import type { EventStore } from '../eventstore/port.ts';
import type { ActorHost } from '../runtime/host.ts';
import type { OperatorAccounts, Origin, Vault } from '../runtime/types.ts';
import type { EjabberdAdmin } from '../xmpp/port.ts';
import type { OperatorSessions } from './operator-sessions.ts';

type Wish = Parameters<OperatorAccounts['put']>[2];

export function createOperatorAccounts(options: {
  host: ActorHost;
  store: EventStore;
  vault: Vault;
  admin: EjabberdAdmin;
  tenants: TenantDirectory;
  sessions: OperatorSessions;
  operatorOfLhcUser: (tenant: TenantId, lhcUserId: number) => Username | null;
  /** Local parts that no tenant may use: the API user's. */
  reserved: readonly string[];
  newId: () => string;
}): OperatorAccounts {
  const { host, store, vault, admin, tenants, sessions, newId } = options;

  function tenantOf(id: TenantId): TenantSettings {
    const tenant = tenants.get(id);
    if (!tenant) throw new AppError('not-found', `tenant ${id} is not configured`);
    return tenant;
  }

  const command = (tenant: TenantId, name: Username, wish: OperatorCommand, origin: Origin) =>
    host.dispatch(tenant, { kind: 'operator', name, command: wish }, origin);
  const automatic = (): Origin => ({ commandId: `auto:${newId()}` });

  async function contextOf(tenant: TenantId, username: Username) {
    const state = await host.latest(operatorRef(tenant, username));
    return state ? operatorState(state.core).context : null;
  }

  /** The name that the log has; null when it has none. */
  async function nameOf(tenant: TenantId, username: Username, revision: number) {
    if (revision < 0) return null;
    const [fact] = await store.readStream(`operator-${tenant}.${username}`, {
      from: revision,
      limit: 1,
    });
    const name = fact?.personal ? (await vault.open(fact.personal))?.name : null;
    return typeof name === 'string' ? name : null;
  }

  /** Makes the account, or sets its password. @throws {AppError} `conflict`, `invalid`, `unavailable` */
  async function account(
    tenant: TenantSettings,
    username: Username,
    wish: Wish,
    isAdmin: boolean,
  ): Promise<void> {
    const jid = operatorJid(tenant, username);
    const { password } = wish;
    const exists = await admin.accountExists(jid);
    const context = await contextOf(tenant.id, username);
    const ours = context?.claimed === true;
    if (exists && !ours && !(isAdmin && wish.adopt)) {
      throw new AppError(
        'conflict',
        `${jid} has an account that this service did not make; the admin token may adopt it (adopt: true)`,
        { field: 'username' },
      );
    }
    if (!exists && password === undefined) {
      throw new AppError('invalid', 'a new account needs a password', { field: 'password' });
    }
    // Before it is made: a crash in between must not leave an account that we take for somebody else's.
    await command(tenant.id, username, { type: 'ClaimAccount', adopted: exists }, automatic());
    if (password === undefined) return;
    if (!exists) await admin.register(jid, password);
    else await admin.changePassword(jid, password);
  }

  return {
    async put(tenantId, username, wish, origin) {
      const tenant = tenantOf(tenantId);
      const local = operatorJid(tenant, username).split('@', 1)[0] ?? '';
      if (options.reserved.includes(local)) {
        throw new AppError('invalid', 'this username is reserved', { field: 'username' });
      }
      const owner = options.operatorOfLhcUser(tenantId, wish.lhcUserId);
      if (owner !== null && owner !== username) {
        throw new AppError('conflict', `LHC user ${wish.lhcUserId} is operator ${owner}`, {
          field: 'lhcUserId',
        });
      }
      await account(tenant, username, wish, origin.admin);
      const jid = operatorJid(tenant, username);
      const context = await contextOf(tenantId, username);
      const known = await nameOf(tenantId, username, context?.nameRevision ?? -1);
      const name = wish.name ?? known;
      const groups = rosterGroups(tenant);
      await admin.ensureGroups(tenant.host, groups);
      await admin.setNickname(jid, name ?? username);
      await admin.joinGroup(jid, groups.operators);
      const done = await command(
        tenantId,
        username,
        {
          type: 'Register',
          lhcUserId: wish.lhcUserId,
          departments: [...wish.departments],
          capacity:
            wish.capacity ?? (context?.registered ? context.capacity : tenant.routing.capacity),
          name,
          nameChanged: name !== known,
        },
        origin,
      );
      // Who is logged in already counts from now on.
      await sessions.compare(tenantId, username, false);
      return done;
    },
    async remove(tenantId, username, origin) {
      const tenant = tenantOf(tenantId);
      await admin.version(); // away: 503, and nothing changed
      const done = await command(tenantId, username, { type: 'Remove' }, origin);
      await removeAccount(admin, tenant, username);
      return done;
    },
  };
}

/** Leaves the group, then deletes the account. Idempotent: the lane of the operator's stream does it too. */
export async function removeAccount(
  admin: EjabberdAdmin,
  tenant: TenantSettings,
  username: Username,
): Promise<void> {
  const jid = operatorJid(tenant, username);
  await admin.leaveGroup(jid, rosterGroups(tenant).operators);
  await admin.unregister(jid);
}
