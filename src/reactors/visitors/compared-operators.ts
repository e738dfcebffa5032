/** Operators in a comparison of ejabberd with the log (comparison.ts): those who were lost, and those of an older server. */
import type { Logger } from 'pino';
import {
  operatorJid,
  personOf,
  rosterGroups,
  type TenantId,
  type Username,
} from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { isPermanent } from '../../errors.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { OperatorAccounts } from '../../runtime/operator-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { Listing } from './listing.ts';

export interface OperatorsOptions {
  readonly actors: Actors;
  readonly admin: Pick<EjabberdAdmin, 'joinGroup'>;
  readonly tenants: TenantDirectory;
  readonly ownership: Ownership;
  /** The registered operators in the log. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  readonly adoptOperator: OperatorAccounts['adopt'];
  readonly logger: Logger;
}

/** False when a removal has begun since the listing: nobody may make again what it deletes. */
export const isToStay = (
  { tenants }: Pick<OperatorsOptions, 'tenants'>,
  tenant: TenantId,
): boolean => tenants.get(tenant)?.removing === false;

/** Operators who have lost their account or group: a kill of ejabberd forgets Mnesia's last two seconds (measured). */
export async function repairOperators(
  { operatorsOf, admin, ownership, tenants, logger }: OperatorsOptions,
  { tenant, accounts, operators }: Listing,
): Promise<void> {
  if (!operators) return;
  for (const username of operatorsOf(tenant.id)) {
    const jid = operatorJid(tenant, username);
    if (!accounts.has(username)) {
      logger.error(
        { tenant: tenant.id, username },
        'ejabberd has lost the account of an operator: register the operator again with a password',
      );
    } else if (!operators.has(jid) && isToStay({ tenants }, tenant.id)) {
      if (!ownership.owns(partitionOf(tenant.id))) return;
      await admin.joinGroup(jid, rosterGroups(tenant).operators);
    }
  }
}

/**
 * The old Node server made operators by their accounts alone, and LHC does not register them again. So the members of the
 * group become operators whom this log does not know, where LHC picks them. Whoever was removed here stays removed.
 */
export async function adoptOperators(
  { actors, adoptOperator, operatorsOf, ownership, logger }: OperatorsOptions,
  { tenant, accounts, operators }: Listing,
): Promise<void> {
  if (!operators || tenant.routing.by !== 'lhc' || tenant.removing) return;
  const registered = new Set(operatorsOf(tenant.id));
  for (const jid of operators) {
    const person = personOf(jid, () => [tenant]);
    if (person?.kind !== 'operator' || !accounts.has(person.name)) continue;
    if (registered.has(person.name)) continue;
    if (await actors.operator(tenant.id, person.name).state()) continue;
    if (!ownership.owns(partitionOf(tenant.id))) return;
    const adopted = await adoptOperator(tenant.id, person.name).then(
      () => true,
      (error: unknown) => {
        if (!isPermanent(error)) throw error;
        return false; // a reserved name: the service's own account
      },
    );
    const about = { tenant: tenant.id, username: person.name };
    if (adopted) logger.info(about, 'an account that the old Node server made is an operator now');
  }
}
