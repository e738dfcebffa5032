/** The canned texts of a tenant's team, read from and written to the tenant's stream (src/actors/tenant/canned-texts.ts). */
import { createHmac } from 'node:crypto';
import { streamOf, type TenantId, tenantRef } from '../../actors/ids.ts';
import { CannedName, type CannedTexts } from '../../actors/tenant/canned-texts.ts';
import type { EventStore } from '../../eventstore/port.ts';
import { eventAt } from '../../eventstore/reading.ts';
import type { CannedText, CannedTextStore } from '../../runtime/desk-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { PersonalData } from '../personal-data.ts';

/** Texts that are opened at the same time. */
const OPENED_AT_ONCE = 32;
/** Of base64url: 132 bits. */
const FINGERPRINT_CHARACTERS = 22;

export function createCannedTexts({
  actors,
  store,
  personal,
  digestKey,
}: {
  readonly actors: Pick<Actors, 'tenant'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<PersonalData, 'of'>;
  readonly digestKey: Buffer;
}): CannedTextStore {
  const fingerprintOf = (tenant: TenantId, text: string): string =>
    createHmac('sha256', digestKey)
      .update(JSON.stringify(['canned text', tenant, text]))
      .digest('base64url')
      .slice(0, FINGERPRINT_CHARACTERS);

  const texts = async (tenant: TenantId): Promise<CannedTexts> =>
    (await actors.tenant(tenant).latest())?.context.canned ?? {};
  const namesIn = (canned: CannedTexts): CannedName[] =>
    Object.keys(canned)
      .map((name) => name as CannedName) // the keys of that state
      .sort();

  /** null: it was replaced or removed meanwhile, and its words are gone. */
  async function open(
    tenant: TenantId,
    canned: CannedTexts,
    name: CannedName,
  ): Promise<CannedText | null> {
    const known = Object.hasOwn(canned, name) ? canned[name] : undefined;
    if (!known) return null;
    const fact = await eventAt(store, streamOf(tenantRef(tenant)), known.revision);
    const text = fact && (await personal.of(fact))?.text;
    return typeof text === 'string' ? { name, text } : null;
  }

  return {
    names: async (tenant) => namesIn(await texts(tenant)),
    async get(tenant, given) {
      const name = CannedName.safeParse(given);
      return name.success ? open(tenant, await texts(tenant), name.data) : null;
    },
    async all(tenant) {
      const canned = await texts(tenant);
      const names = namesIn(canned);
      const opened: (CannedText | null)[] = [];
      for (let from = 0; from < names.length; from += OPENED_AT_ONCE) {
        const some = names.slice(from, from + OPENED_AT_ONCE);
        opened.push(...(await Promise.all(some.map((name) => open(tenant, canned, name)))));
      }
      return opened.filter((each) => each !== null);
    },
    save: (tenant, { name, text }, by, origin) =>
      actors.tenant(tenant).send(
        {
          type: 'SaveCannedText',
          name,
          text,
          fingerprint: fingerprintOf(tenant, text),
          by,
        },
        origin,
      ),
    remove: (tenant, name, by, origin) =>
      actors.tenant(tenant).send({ type: 'RemoveCannedText', name, by }, origin),
  };
}
