/** Operators' sessions as ejabberd has them now, for what was never reported: at start and whenever mod_lhc started. */
import { operatorJid, type TenantId, type Username } from '../../actors/ids.ts';
import type { Hook } from '../../actors/machine/seen.ts';
import type { Show } from '../../actors/operator/machine.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { AppError } from '../../errors.ts';
import { createLimiter } from '../../kit/limiter.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';

const AT_ONCE = 8;

export interface OperatorSessions {
  /**
   * Compares one operator. @param restarted session ids known so far are void
   * @throws {AppError} `unavailable` when ejabberd is away
   */
  compare(tenant: TenantId, username: Username, restarted: boolean, hook?: Hook): Promise<void>;
  /**
   * Every registered operator of these tenants.
   * @param hook the webhook event that asks for it: who was compared because of it, or has moved on, is left alone
   */
  compareAll(tenants: readonly TenantId[], restarted: boolean, hook?: Hook): Promise<void>;
}

/** What ejabberd says of a session, as presence has it. */
const showOf = (text: string): Show =>
  text === 'chat' || text === 'away' || text === 'xa' || text === 'dnd'
    ? text
    : text === 'available'
      ? 'available'
      : null;

export function createOperatorSessions(options: {
  actors: Actors;
  admin: EjabberdAdmin;
  tenants: TenantDirectory;
  operatorsOf: (tenant: TenantId) => readonly Username[];
}): OperatorSessions {
  const { actors, admin, tenants, operatorsOf } = options;

  async function compare(
    id: TenantId,
    username: Username,
    restarted: boolean,
    hook?: Hook,
  ): Promise<void> {
    const tenant = tenants.get(id);
    if (!tenant) throw new AppError('not-found', `tenant ${id} is not configured`);
    const present = await admin.sessions(operatorJid(tenant, username));
    const sessions = present.map(({ resource, show, status }) => ({
      resource,
      show: showOf(show),
      status,
    }));
    await actors
      .operator(id, username)
      .send({ type: 'CompareSessions', sessions, restarted }, { hook });
  }

  return {
    compare,
    async compareAll(ids, restarted, hook) {
      const limited = createLimiter(AT_ONCE);
      const everybody = ids.flatMap((id) => operatorsOf(id).map((name) => ({ id, name })));
      await Promise.all(
        everybody.map(({ id, name }) =>
          limited(async () => {
            const state = await actors.operator(id, name).state();
            const known = Object.keys(state?.context.sessions ?? {});
            // After a restart the module reports by itself those that live: only what we believed is in doubt.
            if (hook && state?.seen.hasHook(hook)) return;
            if (!restarted || known.length > 0) await compare(id, name, restarted, hook);
          }),
        ),
      );
    },
  };
}
