/** Calls about accounts: operators are registered and get passwords, and people of both kinds go. */
import { z } from 'zod';
import type { Username } from '../../actors/ids.ts';
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import { OperatorRegistration } from '../../actors/operator/registration.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, hasCode } from '../../errors.ts';
import { type Called, type LhcCall, lhcCall, unused } from './call.ts';
import type { XmppserviceDeps } from './deps.ts';
import { checkGroup } from './visitors.ts';

/** LHC sends null when a user is saved without a new password. */
const Password = z.object({
  password: OperatorRegistration.shape.password
    .unwrap()
    .nullish()
    .transform((given) => given ?? null),
});
const Grouped = z.object({
  group: z.string().optional(),
  grouphost: z.string().optional(),
  host: z.string(),
});
const Named = z.object({ password: unused });

type Operator = { readonly tenant: Tenant; readonly username: Username };

function operatorOf({ tenant, subject }: Called): Operator {
  if (subject.kind !== 'operator') {
    throw new AppError('invalid', 'is a name for visitors', { field: 'user' });
  }
  if (!tenant) throw new AppError('not-found', 'there is no such instance');
  return { tenant, username: subject.name };
}

function checkGroups(
  { tenant, subject }: Called,
  { group, grouphost, host }: z.output<typeof Grouped>,
): void {
  if (!tenant) return;
  checkGroup(group, subject.kind === 'visitor' ? 'visitors' : 'operators', tenant);
  if (grouphost !== undefined && grouphost.toLowerCase() !== host.toLowerCase()) {
    throw new AppError('invalid', 'has to be the host of the user', { field: 'grouphost' });
  }
}

export function operatorCalls(deps: XmppserviceDeps): LhcCall[] {
  const { actors, newId, operatorAccounts } = deps;
  const origin = () => ({ commandId: `${AUTOMATIC}${newId()}` });

  /**
   * The operator has an account, with this password unless it is null. LHC proves itself with the key of the
   * installation, so an account that the old server made is taken over.
   */
  async function putOperator(called: Called, password: string | null): Promise<void> {
    const { tenant, username } = operatorOf(called);
    if (password === null) {
      const state = await actors.operator(tenant.id, username).state();
      if (state?.context.registered) return;
    }
    const wish = { adopt: true, withoutLhcUser: true, ...(password !== null && { password }) };
    await operatorAccounts.put(tenant.id, username, wish, { ...origin(), admin: true });
  }

  /** Somebody goes: by facts alone, because a visitor's page waits for it. Whoever is not there is gone already. */
  async function remove({ tenant, subject }: Called): Promise<void> {
    if (!tenant) return;
    if (subject.kind === 'operator') {
      await operatorAccounts.dismiss(tenant.id, subject.name, origin());
    } else if (subject.kind === 'visitor') {
      const visitor = actors.visitor(tenant.id, subject.name);
      await visitor.send({ type: 'CleanUp' }, origin()).catch((error: unknown) => {
        if (!hasCode(error, 'not-found')) throw error;
      });
    }
  }

  const common = { about: 'user', text: false, urgent: true } as const;
  return [
    ...['/xmpp-register', '/xmpp-change-password'].map((path) =>
      lhcCall({
        ...common,
        path,
        makesInstance: 'once',
        body: Password,
        carryOut: (called, { password }) => putOperator(called, password),
      }),
    ),
    lhcCall({
      ...common,
      path: '/xmpp-assign-user-to-roaster',
      makesInstance: 'once',
      body: Grouped,
      async carryOut(called, body) {
        checkGroups(called, body);
        const { tenant, subject } = called;
        // Registered operators and known visitors are in their groups: the service sees to it.
        if (subject.kind !== 'visitor' || !tenant) return putOperator(called, null);
        if (await actors.visitor(tenant.id, subject.name).state()) return;
        throw new AppError('not-found', 'this visitor is not known', { field: 'user' });
      },
    }),
    lhcCall({
      ...common,
      path: '/xmpp-delete-user-from-roaster',
      makesInstance: 'no',
      body: Grouped,
      async carryOut(called, body) {
        checkGroups(called, body);
        await remove(called);
      },
    }),
    lhcCall({
      ...common,
      path: '/xmpp-unregister',
      makesInstance: 'no',
      body: Named,
      carryOut: remove,
    }),
  ];
}
