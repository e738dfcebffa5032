/** One host of ejabberd compared with the log: `comparison.ts` says when. */
import { deskJid, otherVisitorJid, personOf, visitorJid } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { createTurns } from '../../kit/turns.ts';
import { partitionOf } from '../../runtime/leases/ownership.ts';
import type { VisitorAccounts } from './accounts.ts';
import { adoptOperators, isToStay, repairOperators } from './compared-operators.ts';
import type { ComparisonOptions } from './comparison.ts';
import type { VisitorContacts } from './contacts.ts';
import type { Visitor } from './desired.ts';
import { type Listing, listAccounts, listContacts, listGroups } from './listing.ts';
import { removeOrphan, removeOrphanContact } from './orphans.ts';

/** Visitors that are compared before the event loop serves others. Each takes some 5 us. */
const COMPARED_AT_ONCE = 1_000;

const nextTurn = createTurns();

type IsMine = (visitor: Visitor) => boolean;

/**
 * Compares everything at one host that this process owns in these partitions, and repairs it or marks it for repair.
 * @throws {AppError} what could not be listed. The rest was compared all the same, if only contacts could not
 */
export async function compareHost(
  options: ComparisonOptions,
  host: string,
  scope: ReadonlySet<number>,
): Promise<void> {
  const { ownership, idOf } = options;
  const isMine: IsMine = (visitor) => {
    const partition = partitionOf(idOf(visitor));
    return scope.has(partition) && ownership.owns(partition);
  };
  // The order matters: list ejabberd, then read the log to its head, then compare. Any other order takes a new
  // account for an orphan (docs/ejabberd.md).
  const listings: Listing[] = [];
  for (const tenant of options.tenants.ofHost(host)) {
    listings.push(await listGroups(options, tenant, scope));
  }
  await listAccounts(options, host, listings);
  const failure = await listContacts(options, listings);
  await options.caughtUp();
  for (const listing of listings) {
    await repairOperators(options, listing);
    await adoptOperators(options, listing);
    const { tenant, mark, operators } = listing;
    if (!options.accountsLog.mayRemove(tenant.id) && isToStay(options, tenant.id)) {
      const strangers = await strangersOf(options, listing);
      await options.accountsLog.settle(tenant, { mark, strangers, mayMark: operators !== null });
    }
    const known = new Set([
      ...knownOf(options.accounts, tenant).map(({ jid }) => jid),
      ...knownOf(options.contacts, tenant).map(({ jid }) => jid),
    ]);
    await compareAccounts(options, listing, isMine);
    await compareContacts(options, listing, isMine);
    markPending(options, listing, known, isMine);
    // Orphans are out of the group now. `operators`: this process looks after the tenant.
    if (operators !== null) options.leftovers.mark(tenant.id);
  }
  if (failure !== null) throw failure;
}

/** Visitors that ejabberd has and the table of desired visitors has not. */
async function strangersOf({ desired }: ComparisonOptions, { visitors, contacts }: Listing) {
  const strangers: Visitor[] = [];
  let compared = 0;
  for (const found of [visitors, contacts?.byJid ?? new Map()]) {
    for (const { visitor } of found.values()) {
      compared += 1;
      if (compared % COMPARED_AT_ONCE === 0) await nextTurn();
      if (visitor && !desired.get(visitor)) strangers.push(visitor);
    }
  }
  return strangers;
}

/**
 * Marks whoever should be shown or removed, though nobody knows what ejabberd has: a host whose accounts cannot be listed
 * must not keep its visitors away. Does nothing while ejabberd is away: each try for each visitor would fail.
 */
export async function markWanted(
  options: ComparisonOptions,
  host: string,
  scope: ReadonlySet<number>,
): Promise<void> {
  const { admin, caughtUp, contactTable, desired, idOf, mark, ownership, tenants } = options;
  const isThere = await admin.version().then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  await caughtUp();
  for (const tenant of tenants.ofHost(host)) {
    if (tenant.transport === 'component' && !contactTable.isUp(host)) continue;
    for (const row of desired.pending(tenant.id)) {
      const partition = partitionOf(idOf(row));
      if (scope.has(partition) && ownership.owns(partition)) mark(row);
    }
  }
}

/** Accounts and members of the group. A tenant with the component has some after a change of its transport alone. */
async function compareAccounts(
  options: ComparisonOptions,
  { tenant, visitors }: Listing,
  isMine: IsMine,
): Promise<void> {
  const { desired, accounts, busy, idOf, mark } = options;
  const isFormer = tenant.transport === 'component';
  let compared = 0;
  for (const [jid, { visitor, account, grouped }] of visitors) {
    compared += 1;
    if (compared % COMPARED_AT_ONCE === 0) await nextTurn();
    if (!isMine(visitor)) continue;
    if (!busy.has(idOf(visitor))) accounts.found(jid, { account, grouped });
    const row = desired.get(visitor);
    if (!row) await removeOrphan(options, tenant, visitor, jid);
    else if (isFormer || (!row.online && (grouped || row.gone))) mark(visitor);
  }
  for (const { jid, visitor } of knownOf(options.accounts, tenant)) {
    if (!visitors.has(jid) && !busy.has(idOf(visitor))) accounts.forget(jid);
  }
}

/** What mod_lhc shows. A tenant with accounts has some after a change of its transport alone. */
async function compareContacts(
  options: ComparisonOptions,
  { tenant, contacts: found }: Listing,
  isMine: IsMine,
): Promise<void> {
  const { desired, contacts, contactTable, ownership, busy, idOf, mark } = options;
  if (!found) return;
  const isFormer = tenant.transport !== 'component';
  if (isFormer && found.byJid.size === 0) contactTable.isClear(tenant);
  let compared = 0;
  for (const [jid, { visitor, hash }] of found.byJid) {
    compared += 1;
    if (compared % COMPARED_AT_ONCE === 0) await nextTurn();
    if (!visitor) {
      // The desk looks after itself (desk/desk.ts), but a new process does not know where it was.
      if (!ownership.owns(partitionOf(tenant.id))) continue;
      contactTable.found(jid, hash);
      if (isFormer && options.accountsLog.mayRemove(tenant.id))
        await options.transport.offline(jid);
      continue;
    }
    if (!isMine(visitor)) continue;
    if (!busy.has(idOf(visitor))) contacts.found(jid, hash);
    const row = desired.get(visitor);
    if (!row) await removeOrphanContact(options, tenant, visitor, jid);
    else if (isFormer || !row.online) mark(visitor);
  }
  // ejabberd was restarted and has lost it. A desk that came meanwhile is sent once more, which changes nothing.
  const desk = deskJid(tenant);
  if (!isFormer && !found.byJid.has(desk) && ownership.owns(partitionOf(tenant.id)))
    contactTable.found(desk, null);
  for (const { jid, visitor } of knownOf(contacts, tenant)) {
    const isLost = found.before.has(jid) && !found.byJid.has(jid);
    if (isLost && !busy.has(idOf(visitor))) contacts.found(jid, null);
  }
}

/** What a place knows of a tenant's visitors. */
function knownOf(
  place: Pick<VisitorAccounts | VisitorContacts, 'known'>,
  tenant: Tenant,
): { readonly jid: string; readonly visitor: Visitor }[] {
  const known: { jid: string; visitor: Visitor }[] = [];
  for (const jid of place.known()) {
    const person = jid.endsWith(tenant.host) ? personOf(jid, () => [tenant]) : null;
    if (person?.kind !== 'visitor') continue;
    known.push({ jid, visitor: { tenant: person.tenant, key: person.name } });
  }
  return known;
}

/**
 * Marks whoever should be shown or removed, and is not as far as this process knows.
 * @param known before the comparison
 */
function markPending(
  { desired, transport, mark }: ComparisonOptions,
  { tenant, visitors, contacts }: Listing,
  known: ReadonlySet<string>,
  isMine: IsMine,
): void {
  const isComponent = tenant.transport === 'component';
  // Without an answer of the component each try for each visitor would fail.
  if (isComponent && !contacts) return;
  const isThere = (jid: string): boolean =>
    visitors.has(jid) || contacts?.byJid.has(jid) === true || known.has(jid);
  for (const row of desired.pending(tenant.id)) {
    const jid = visitorJid(tenant, row.key);
    // Another process has removed the account, or this one before the table was rebuilt. No fact says so, and without
    // this line the rows would pile up.
    if (row.gone && !isThere(jid) && !isThere(otherVisitorJid(tenant, row.key))) {
      desired.accountRemoved(row);
      continue;
    }
    // The component sends again by itself what differs of those whom it shows.
    const isRepaired = isComponent && row.online && transport.isOnline(jid);
    if (isMine(row) && !isRepaired) mark(row);
  }
}
