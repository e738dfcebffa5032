/** What ejabberd has of a tenant: groups, accounts and contacts, as a comparison reads them. */
import { deskOf, personOf, type Username } from '../../actors/ids.ts';
import { groupsOf, type Tenant } from '../../actors/tenant/tenant.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { EjabberdAdmin } from '../../xmpp/port.ts';
import type { AccountsLog } from './accounts-log.ts';
import type { ContactTable, VisitorContacts } from './contacts.ts';
import type { Visitor } from './desired.ts';

interface ListingOptions {
  readonly accountsLog: Pick<AccountsLog, 'read'>;
  readonly admin: Pick<EjabberdAdmin, 'ensureGroups' | 'groupMembers' | 'accounts'>;
  readonly ownership: Ownership;
}

interface Found {
  readonly visitor: Visitor;
  account: boolean;
  grouped: boolean;
}

/** A contact that mod_lhc shows to the tenant's operators. */
export interface FoundContact {
  /** null for the desk. */
  readonly visitor: Visitor | null;
  readonly hash: string;
}

export interface FoundContacts {
  readonly byJid: ReadonlyMap<string, FoundContact>;
  /** Those that this process knew before the listing. Who is not listed is gone. */
  readonly before: ReadonlySet<string>;
}

/** What ejabberd has of a tenant. */
export interface Listing {
  readonly tenant: Tenant;
  /** Visitors of all processes who have an account or are members of the group, by JID. */
  readonly visitors: Map<string, Found>;
  /** By the component, of all processes; null if there is none to ask, or it does not answer. */
  contacts: FoundContacts | null;
  /** Operators who have an account. */
  readonly accounts: Set<Username>;
  /** Members of the operators' group, by JID; null if another process looks after this tenant's operators. */
  readonly operators: ReadonlySet<string> | null;
  /** The log that the visitors belong to; null if nobody has noted one. */
  readonly mark: string | null;
}

/** Adds an account or a member to the listing, if it is one of this tenant. */
function addTo(
  { tenant, visitors, accounts }: Listing,
  jid: string,
  what: 'account' | 'grouped',
): void {
  const person = personOf(jid, () => [tenant]);
  if (person?.kind === 'operator' && what === 'account') accounts.add(person.name);
  if (person?.kind !== 'visitor') return;
  const visitor = { tenant: person.tenant, key: person.name };
  const known = visitors.get(jid) ?? { visitor, account: false, grouped: false };
  known[what] = true;
  visitors.set(jid, known);
}

/**
 * Lists what ejabberd has of a tenant, without accounts. Makes the groups, if this process looks after the tenant.
 * @param scope the partitions that are compared
 */
export async function listGroups(
  { admin, accountsLog, ownership }: ListingOptions,
  tenant: Tenant,
  scope: ReadonlySet<number>,
): Promise<Listing> {
  const groups = groupsOf(tenant);
  const partition = partitionOf(tenant.id);
  const ownsTenant = scope.has(partition) && ownership.owns(partition);
  // A removal deletes them, and nobody may make them again behind it.
  if (ownsTenant && !tenant.removing) await admin.ensureGroups(tenant.host, groups);
  const mark = await accountsLog.read(tenant);
  const [members, operators] = await Promise.all([
    admin.groupMembers(tenant.host, groups.visitors),
    ownsTenant ? admin.groupMembers(tenant.host, groups.operators) : null,
  ]);
  const listing: Listing = {
    tenant,
    visitors: new Map(),
    contacts: null,
    accounts: new Set(),
    operators: operators && new Set(operators),
    mark,
  };
  for (const member of members) addTo(listing, member, 'grouped');
  return listing;
}

/** Adds the accounts of a host, read once for all of its tenants. */
export async function listAccounts(
  { admin }: ListingOptions,
  host: string,
  listings: readonly Listing[],
): Promise<void> {
  // An instance's name has no dot (docs/names.md), so the last part of a name tells whose it is.
  const byInstance = new Map(listings.map((each) => [each.tenant.instance ?? '', each]));
  const standalone = byInstance.get('');
  await admin.accounts(host, (locals) => {
    for (const local of locals) {
      const listing = standalone ?? byInstance.get(local.slice(local.lastIndexOf('.') + 1));
      if (listing) addTo(listing, `${local}@${host}`, 'account');
    }
  });
}

/**
 * Adds the contacts of each tenant that may have some. One whose component is away is left without them.
 * @returns the first failure; null if there was none
 */
export async function listContacts(
  { contactTable, contacts }: ContactsOptions,
  listings: readonly Listing[],
): Promise<unknown> {
  let failure: unknown = null;
  for (const listing of listings) {
    try {
      listing.contacts = await contactsOf(contactTable, contacts, listing.tenant);
    } catch (error) {
      failure ??= error;
    }
  }
  return failure;
}

interface ContactsOptions {
  readonly contactTable: Pick<ContactTable, 'mayHave' | 'list'>;
  readonly contacts: Pick<VisitorContacts, 'known'>;
}

async function contactsOf(
  table: ContactsOptions['contactTable'],
  contacts: ContactsOptions['contacts'],
  tenant: Tenant,
): Promise<FoundContacts | null> {
  if (!(await table.mayHave(tenant))) return null;
  const before = new Set(contacts.known());
  const byJid = new Map<string, FoundContact>();
  for await (const page of table.list(tenant)) {
    for (const { jid, hash } of page) {
      const person = personOf(jid, () => [tenant]);
      if (person?.kind === 'visitor') {
        byJid.set(jid, { visitor: { tenant: person.tenant, key: person.name }, hash });
      } else if (deskOf(jid, () => [tenant])) byJid.set(jid, { visitor: null, hash });
    }
  }
  return { byJid, before };
}
