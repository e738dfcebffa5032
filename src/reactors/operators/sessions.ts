/**
 * Operators' sessions as ejabberd has them. The service compares them at its start and whenever mod_lhc started, because
 * changes that mod_lhc did not report would be missed otherwise.
 */
import { operatorJid, type TenantId, type Username } from '../../actors/ids.ts';
import type { Hook } from '../../actors/machine/idempotency.ts';
import type { Show } from '../../actors/operator/machine.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { AppError } from '../../errors.ts';
import { createLimiter } from '../../kit/limiter.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

/** Operators that are compared at the same time. */
export const COMPARISONS_AT_ONCE = 8;

export interface OperatorSessions {
  /**
   * Compares the sessions of one operator with ejabberd.
   * @param restarted true if ejabberd has restarted, so that the session ids known so far are void
   * @throws {AppError} `unavailable` if ejabberd is away
   */
  compare(tenant: TenantId, username: Username, restarted: boolean, hook?: Hook): Promise<void>;
  /**
   * Compares every registered operator of these tenants.
   * @param hook the webhook event that asks for it; operators whose stream has this event already are left out
   * @throws {AppError} `unavailable` if ejabberd is away
   */
  compareAll(tenants: readonly TenantId[], restarted: boolean, hook?: Hook): Promise<void>;
}

interface SessionsOptions {
  readonly actors: Actors;
  readonly admin: EjabberdAdmin;
  readonly tenants: TenantDirectory;
  /** Registered operators of a tenant, as far as this process has read the log. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
}

/** The presence for what ejabberd says of a session. */
function showOf(text: string): Show {
  if (text === 'chat' || text === 'away' || text === 'xa' || text === 'dnd') return text;
  return text === 'available' ? 'available' : null;
}

async function compare(
  { actors, admin, tenants }: SessionsOptions,
  id: TenantId,
  username: Username,
  restarted: boolean,
  hook?: Hook,
): Promise<void> {
  const tenant = tenants.get(id);
  if (!tenant) throw new AppError('not-found', `tenant ${id} is not configured`);
  const sessions = (await admin.sessions(operatorJid(tenant, username))).map(
    ({ resource, show, status }) => ({ resource, show: showOf(show), status }),
  );
  const command = { type: 'CompareSessions', sessions, restarted } as const;
  await actors.operator(id, username).send(command, { hook });
}

async function compareOne(
  options: SessionsOptions,
  id: TenantId,
  username: Username,
  restarted: boolean,
  hook?: Hook,
): Promise<void> {
  const state = await options.actors.operator(id, username).state();
  if (hook && state?.seen.hasHook(hook)) return;
  // After a restart mod_lhc reports the sessions that exist. Only sessions that we know may have ended unseen.
  const knowsSessions = Object.keys(state?.context.sessions ?? {}).length > 0;
  if (!restarted || knowsSessions) await compare(options, id, username, restarted, hook);
}

/** Whether ejabberd has a session of this operator now. @throws {AppError} `unavailable` if ejabberd is away */
export async function hasSession(
  { admin, tenants }: Pick<SessionsOptions, 'admin' | 'tenants'>,
  id: TenantId,
  username: Username,
): Promise<boolean> {
  const tenant = tenants.get(id);
  return tenant !== undefined && (await admin.sessions(operatorJid(tenant, username))).length > 0;
}

export function createOperatorSessions(options: SessionsOptions): OperatorSessions {
  return {
    compare: (tenant, username, restarted, hook) =>
      compare(options, tenant, username, restarted, hook),
    async compareAll(tenants, restarted, hook) {
      const limited = createLimiter(COMPARISONS_AT_ONCE);
      const comparisons = tenants.flatMap((tenant) =>
        options
          .operatorsOf(tenant)
          .map((username) => limited(() => compareOne(options, tenant, username, restarted, hook))),
      );
      await Promise.all(comparisons);
    },
  };
}
