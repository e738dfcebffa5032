/**
 * Operators' accounts. A password that a caller gives is applied to ejabberd within the request and kept nowhere: the
 * one effect that comes before its fact (docs/architecture.md, promise 8).
 */
import { operatorJid, rosterGroups, type TenantId, type Username } from '../../actors/ids.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { OperatorContext } from '../../actors/operator/machine.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { TenantSettings } from '../../actors/tenant/machine.ts';
import { AppError, hasCode } from '../../errors.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { Actors, Dispatched, OperatorAccounts, Origin, Vault } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { HeldClaim, LhcUsers, MadeClaim } from './lhc-users.ts';
import type { OperatorRemoval } from './removal.ts';
import type { OperatorSessions } from './sessions.ts';

type Wish = Parameters<OperatorAccounts['put']>[2];
type AsAdmin = Origin & { readonly admin: boolean };

/** What a registration is decided by. */
interface Look {
  /** -1 for a stream that does not exist. */
  readonly revision: number;
  readonly context: OperatorContext | null;
  readonly isRepeat: boolean;
}

type Registration = Omit<Extract<OperatorCommand, { type: 'Register' }>, 'after'>;

/** Times that the operator may be changed by others between a look and its registration. */
const MOST_TRIES = 8;

export function createOperatorAccounts(options: {
  actors: Actors;
  store: EventStore;
  vault: Vault;
  admin: EjabberdAdmin;
  tenants: TenantDirectory;
  sessions: OperatorSessions;
  lhcUsers: LhcUsers;
  removal: OperatorRemoval;
  /** Local parts that no tenant may use: the API user's. */
  reserved: readonly string[];
}): OperatorAccounts {
  const { actors, store, vault, admin, tenants, sessions, lhcUsers, removal } = options;

  function tenantOf(id: TenantId): TenantSettings {
    const tenant = tenants.get(id);
    if (!tenant) throw new AppError('not-found', `tenant ${id} is not configured`);
    return tenant;
  }

  async function look(tenant: TenantId, username: Username, origin: Origin): Promise<Look> {
    const state = await actors.operator(tenant, username).latest();
    return {
      revision: state?.revision ?? -1,
      context: state?.context ?? null,
      isRepeat: state?.seen.hasCommand(origin.commandId) ?? false,
    };
  }

  /** The name that the log has; null when it has none. */
  async function nameOf(tenant: TenantId, username: Username, revision: number) {
    const fact = await eventAt(store, `operator-${tenant}.${username}`, revision);
    const name = fact?.personal ? (await vault.open(fact.personal))?.name : null;
    return typeof name === 'string' ? name : null;
  }

  /** What was not said stays as it is. @throws {AppError} `invalid` for a new operator without an LHC user */
  async function complete(
    tenant: TenantSettings,
    username: Username,
    wish: Wish,
    { context }: Look,
  ): Promise<Registration> {
    const known = context?.registered ? context : null;
    const lhcUserId = wish.lhcUserId ?? known?.lhcUserId ?? null;
    if (lhcUserId === null) {
      throw new AppError('invalid', 'is required: this operator is not registered yet', {
        field: 'lhcUserId',
      });
    }
    const knownName = await nameOf(tenant.id, username, known?.nameRevision ?? -1);
    const name = wish.name ?? knownName;
    return {
      type: 'Register',
      lhcUserId,
      departments: [...(wish.departments ?? known?.departments ?? [])],
      capacity: wish.capacity ?? known?.capacity ?? tenant.routing.capacity,
      name,
      nameChanged: name !== knownName,
    };
  }

  /**
   * Whether there is an account, and that this caller may change it; nothing is changed yet.
   * @throws {AppError} `conflict`, `invalid`, `unavailable`
   */
  async function accountExists(jid: string, wish: Wish, { context }: Look, isAdmin: boolean) {
    const exists = await admin.accountExists(jid);
    if (exists && context?.claimed !== true && !(isAdmin && wish.adopt)) {
      throw new AppError(
        'conflict',
        `${jid} has an account that this service did not make; the admin token may adopt it (adopt: true)`,
        { field: 'username' },
      );
    }
    if (!exists && wish.password === undefined) {
      throw new AppError('invalid', 'a new account needs a password', { field: 'password' });
    }
    return exists;
  }

  /** The account with its password, its name and its place in the roster. */
  async function makeAccount(
    tenant: TenantSettings,
    jid: string,
    exists: boolean,
    password: string | undefined,
    name: string,
  ): Promise<void> {
    if (password !== undefined) {
      // Two requests for the same new operator: the one that comes second sets its password.
      const made = !exists && (await admin.register(jid, password)) === 'created';
      if (!made) await admin.changePassword(jid, password);
    }
    const groups = rosterGroups(tenant);
    await admin.ensureGroups(tenant.host, groups);
    // The roster takes the name when the operator joins, and tells it to those who are logged in.
    await admin.setNickname(jid, name);
    await admin.joinGroup(jid, groups.operators);
  }

  async function put(tenant: TenantSettings, username: Username, wish: Wish, origin: AsAdmin) {
    const jid = operatorJid(tenant, username);
    const operator = actors.operator(tenant.id, username);
    await lhcUsers.begin(tenant.id);
    await removal.finishRecent(tenant, username);
    let seen = await look(tenant.id, username, origin);
    let registration = await complete(tenant, username, wish, seen);
    // The same request was carried out: its answer is that of the first time.
    if (seen.isRepeat) return operator.send(registration, origin);
    const exists = await accountExists(jid, wish, seen, origin.admin);

    let done: Dispatched | null = null;
    for (let tries = 1; !done; tries++) {
      // The order counts (docs/adr/0013): the look at the operator, the claim, the registration that expects that look.
      const claims = await claim(tenant.id, username, registration.lhcUserId, seen);
      let { revision } = seen;
      let sent = false;
      try {
        if (tries === 1) {
          // Before the account is made: a crash in between must not leave one that we take for somebody else's.
          const ours: OperatorCommand = { type: 'ClaimAccount', adopted: exists };
          const claimed = await operator.send(ours);
          if (claimed.facts === 1 && claimed.revision === revision + 1) revision += 1;
          const name = registration.name ?? username;
          await makeAccount(tenant, jid, exists, wish.password, name);
        }
        sent = true;
        done = await operator.send({ ...registration, after: revision }, origin);
      } catch (error) {
        const again = hasCode(error, 'conflict') && tries < MOST_TRIES;
        // Where nobody knows whether it was registered the claim stays, and is looked at when it is stale.
        if (!again && (!sent || hasCode(error, 'conflict'))) {
          await lhcUsers.giveBack(tenant.id, claims.made).catch(() => undefined); // as above
        }
        if (!again) throw error;
        seen = await look(tenant.id, username, origin);
        registration = await complete(tenant, username, wish, seen);
        continue;
      }
      // Only a registration that is a fact makes void what is under way for the same operator, claims and all. What stays
      // is stale after a minute.
      if (done.facts > 0) await lhcUsers.release(tenant.id, claims.former);
    }
    // Who is logged in already counts from now on.
    await sessions.compare(tenant.id, username, false);
    return done;
  }

  /** Claims what has to be claimed; `former`: what this operator has no more when it is registered. */
  async function claim(
    tenant: TenantId,
    username: Username,
    lhcUserId: number,
    { context }: Look,
  ): Promise<{ made: MadeClaim[]; former: HeldClaim[] }> {
    const held = await lhcUsers.of(tenant, username);
    const former = held.filter((each) => each.lhcUserId !== lhcUserId);
    const isRegistered = context?.registered === true && context.lhcUserId === lhcUserId;
    const isOurs = isRegistered && former.length < held.length;
    const made = isOurs ? [] : [await lhcUsers.claim(tenant, username, lhcUserId)];
    return { made, former };
  }

  return {
    async put(tenantId, username, wish, origin) {
      const tenant = tenantOf(tenantId);
      const local = operatorJid(tenant, username).split('@', 1)[0] ?? '';
      if (options.reserved.includes(local)) {
        throw new AppError('invalid', 'this username is reserved', { field: 'username' });
      }
      return removal.exclusively(tenant, username, () => put(tenant, username, wish, origin));
    },
    async remove(tenantId, username, origin) {
      const tenant = tenantOf(tenantId);
      return removal.exclusively(tenant, username, async () => {
        await admin.version(); // away: 503, and nothing changed
        await lhcUsers.begin(tenantId);
        const claims = await lhcUsers.of(tenantId, username);
        const done = await actors.operator(tenantId, username).send({ type: 'Remove' }, origin);
        if (done.facts > 0) await lhcUsers.release(tenantId, claims); // as above
        await removal.finish(tenant, username);
        return done;
      });
    },
  };
}
