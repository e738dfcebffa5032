/**
 * Which log the visitors' accounts of a tenant belong to. ejabberd says so: the group of visitors has the id of the log in
 * its description (docs/adr/0028). A service with another log, or with a new one, removes nothing: its log does not know
 * what the accounts are for.
 */
import type { Logger } from 'pino';
import { rosterGroups, type TenantId, type VisitorKey, visitorJid } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { Visitor } from './desired.ts';

/** In TAKE_OVER_FROM: accounts that no log has marked as its own. */
export const WITHOUT_MARK = 'none';

/** Accounts of a tenant that are not removed. */
export interface KeptAccounts {
  /** The log that they belong to; null if no log has marked them. */
  readonly mark: string | null;
  /** Visitors that ejabberd has and this log does not show. */
  readonly strangers: number;
  /** One of them who is logged in, where that is why the accounts are kept. */
  readonly online?: VisitorKey;
}

/** Visitors of the old Node server whose sessions are asked for, to see whether it still runs. */
export const SESSIONS_ASKED = 500;

export interface AccountsLogOptions {
  readonly admin: Pick<EjabberdAdmin, 'groupMark' | 'markGroup' | 'sessions'>;
  readonly actors: Pick<Actors, 'visitor'>;
  /** The id of the log of this process. */
  readonly logId: string;
  /** Logs whose accounts the administrator gives to this one, or {@link WITHOUT_MARK}. */
  readonly takeOverFrom: readonly string[];
  readonly logger: Logger;
}

export interface AccountsLog {
  /** False until a comparison has found that the accounts of this tenant belong to this log. */
  mayRemove(tenant: TenantId): boolean;
  /** The same. If they do not, ejabberd is asked again: another process may have marked them meanwhile. */
  isOwn(tenant: Tenant): Promise<boolean>;
  /** Reads whose the accounts are. @returns the id of the log; null if nobody has noted one */
  read(tenant: Tenant): Promise<string | null>;
  /**
   * Decides about a tenant whose accounts are not marked with this log. They become its own if the administrator says so
   * (also by `routing.by: lhc`, for accounts that nobody has marked and nobody uses), or if nobody has marked them and this log knows every visitor among them.
   * @param found `strangers`: who has no row in the table of desired visitors. `mayMark`: this process looks after the tenant
   */
  settle(
    tenant: Tenant,
    found: {
      readonly mark: string | null;
      readonly strangers: readonly Visitor[];
      readonly mayMark: boolean;
    },
  ): Promise<void>;
  kept(): ReadonlyMap<TenantId, KeptAccounts>;
}

/** What an administrator has to know and to do. */
export function keptAccountsText({ mark, strangers, online }: KeptAccounts): string {
  if (online !== undefined) {
    return `LHC's old Node server still runs: visitor ${online}, whom this log does not know, is logged in. No account is removed. End the old server, then restart this one`;
  }
  const owner = mark === null ? 'no log has marked them as its own' : `they belong to log ${mark}`;
  return `ejabberd has ${strangers} ${strangers === 1 ? 'visitor' : 'visitors'} that this log does not know, and ${owner}. No account is removed. If DATA_DIR or EVENT_STORE is wrong, correct it; if this log is the right one, set TAKE_OVER_FROM=${mark ?? WITHOUT_MARK} and restart`;
}

export function createAccountsLog(options: AccountsLogOptions): AccountsLog {
  const { admin, actors, logId, takeOverFrom, logger } = options;
  const own = new Set<TenantId>();
  const kept = new Map<TenantId, KeptAccounts>();

  async function read(tenant: Tenant): Promise<string | null> {
    const mark = await admin.groupMark(tenant.host, rosterGroups(tenant).visitors);
    if (mark === logId) {
      own.add(tenant.id);
      kept.delete(tenant.id);
    } else own.delete(tenant.id);
    return mark;
  }

  /** A visitor who was cleaned up has no row any more, and still has facts. */
  async function knowsAll(visitors: readonly Visitor[]): Promise<boolean> {
    for (const { tenant, key } of visitors) {
      if (!(await actors.visitor(tenant, key).state())) return false;
    }
    return true;
  }

  /** A visitor whom another program has logged in. Whoever looks at this service beside the old one must not end it. */
  async function onlineOf(
    tenant: Tenant,
    strangers: readonly Visitor[],
  ): Promise<VisitorKey | undefined> {
    for (const { key } of strangers.slice(0, SESSIONS_ASKED)) {
      const account = visitorJid({ ...tenant, transport: 'accounts' }, key);
      if ((await admin.sessions(account)).length > 0) return key;
    }
    return undefined;
  }

  return {
    mayRemove: (tenant) => own.has(tenant),
    isOwn: async (tenant) => own.has(tenant.id) || (await read(tenant)) === logId,
    read,
    async settle(tenant, { mark, strangers, mayMark }) {
      const { id, host } = tenant;
      // The old Node server marked nothing. Whoever names its LHC as the one that picks operators has put this service in
      // its place.
      const isOldServers = mark === null && tenant.routing.by === 'lhc';
      const isTold = takeOverFrom.includes(mark ?? WITHOUT_MARK);
      const online = isOldServers && !isTold ? await onlineOf(tenant, strangers) : undefined;
      const isGiven = isTold || (isOldServers && online === undefined);
      if (!isGiven && (mark !== null || online !== undefined || !(await knowsAll(strangers)))) {
        const accounts = {
          mark,
          strangers: strangers.length,
          ...(online !== undefined && { online }),
        };
        kept.set(id, accounts);
        const reason = keptAccountsText(accounts);
        logger.warn(
          { tenant: id, host, logId, ...accounts, reason },
          'the accounts of visitors belong to another log',
        );
        return;
      }
      // Without a mark of its own a process removes nothing: the log that marks first is the owner.
      if (!mayMark) return;
      await admin.markGroup(host, rosterGroups(tenant), logId);
      // A new instance of a template has nobody to take over.
      if (isTold || (isGiven && strangers.length > 0)) {
        logger.warn({ tenant: id, host, logId, mark }, 'the accounts were taken over');
      }
      own.add(id);
      kept.delete(id);
    },
    kept: () => kept,
  };
}
