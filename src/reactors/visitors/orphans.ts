/** Visitors whom ejabberd has and no fact calls for. */
import { rosterGroups } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { partitionOf } from '../../runtime/leases/ownership.ts';
import type { ComparisonOptions } from './comparison.ts';
import type { Visitor } from './desired.ts';

/** Removes an account or a member that no fact calls for, such as one whose removal ejabberd forgot. */
export async function removeOrphan(
  options: ComparisonOptions,
  tenant: Tenant,
  visitor: Visitor,
  jid: string,
): Promise<void> {
  const { admin, accounts } = options;
  await withOrphan(options, tenant, visitor, async (isMine) => {
    await admin.leaveGroup(jid, rosterGroups(tenant).visitors);
    if (!isMine()) return;
    await admin.unregister(jid);
    accounts.forget(jid);
  });
}

/** The same with a contact of the component. */
export async function removeOrphanContact(
  options: ComparisonOptions,
  tenant: Tenant,
  visitor: Visitor,
  jid: string,
): Promise<void> {
  const { contacts, transport } = options;
  await withOrphan(options, tenant, visitor, async () => {
    await transport.offline(jid, true);
    contacts.forget(jid);
  });
}

/** Does it if no fact calls for the visitor, and nobody works on them. @param remove is told whether it may go on */
async function withOrphan(
  { actors, accountsLog, ownership, busy, idOf, logger }: ComparisonOptions,
  tenant: Tenant,
  visitor: Visitor,
  remove: (isMine: () => boolean) => Promise<void>,
): Promise<void> {
  const id = idOf(visitor);
  if (busy.has(id) || !accountsLog.mayRemove(tenant.id)) return;
  busy.add(id); // a visitor who arrives meanwhile is shown afterwards
  const isMine = () => ownership.owns(partitionOf(id));
  try {
    const state = await actors.visitor(visitor.tenant, visitor.key).state();
    if (state && state.presence !== 'cleanedUp') return;
    if (!isMine()) return;
    logger.info({ tenant: tenant.id, visitor: visitor.key }, 'removing an orphan from ejabberd');
    await remove(isMine);
  } finally {
    busy.delete(id);
  }
}
