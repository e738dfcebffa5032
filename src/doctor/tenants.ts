/** The tenants that TENANTS_FILE does not declare: the running service knows them, and sends the ping to their LHC. */
import { z } from 'zod';
import { Instance, TenantId, type TenantNaming } from '../actors/ids.ts';
import { ANY_INSTANCE } from '../actors/tenant/settings.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { judgeClock } from './clock.ts';
import { judgeEncryption } from './ejabberd-api.ts';
import type { PostingService, ServiceAnswer, ServicePort } from './service.ts';

const TENANTS_PER_PAGE = 200;
const MOST_PAGES = 50;

const Listed = z.object({
  id: TenantId,
  host: z.string(),
  instance: z.union([z.literal(ANY_INSTANCE), Instance]).nullish(),
  state: z.string(),
  removal: z.object({ step: z.string(), reason: z.string().nullable() }).nullish(),
  callbackUrl: z.string().nullish(),
  readOnly: z.boolean().optional(),
  routing: z.object({ by: z.string() }).optional(),
  callbackFlavour: z.string().optional(),
  hasLegacySecret: z.boolean().optional(),
});
const Page = z.object({ items: z.array(Listed), next: z.string().nullable() });

/** A tenant as the running service lists it. */
export interface OtherTenant extends TenantNaming {
  /** Without user and password; undefined without callbacks. */
  readonly callbackUrl: string | undefined;
}

export interface OtherTenants {
  readonly tenants: readonly OtherTenant[];
  /** What is to say of the list as a whole. */
  readonly findings: readonly Finding[];
  /** Whether one of them, or a template, uses the xmppservice wire. */
  readonly useWire: boolean;
}

export const NO_OTHERS: OtherTenants = { tenants: [], findings: [], useWire: false };

const unseen = (why: string, advice: string): OtherTenants => ({
  ...NO_OTHERS,
  findings: [warning(`tenants that were made at run time were not looked at: ${why}`, advice)],
});

/**
 * Asks the running service for its tenants.
 * @param declared the ids of TENANTS_FILE, which are left out
 */
export async function otherTenants(
  service: ServicePort,
  declared: ReadonlySet<string>,
): Promise<OtherTenants> {
  const tenants: OtherTenant[] = [];
  const findings: Finding[] = [];
  let useWire = false;
  for (let cursor: string | null = '', pages = 0; cursor !== null && pages < MOST_PAGES; pages++) {
    const query = new URLSearchParams({
      limit: String(TENANTS_PER_PAGE),
      ...(cursor !== '' && { cursor }),
    });
    const answer: ServiceAnswer | 'silent' | null = await service.get(`/v1/tenants?${query}`);
    if (answer === null || answer === 'silent') {
      return unseen(
        `no service answers at ${service.url}`,
        'start the service, and run this again',
      );
    }
    // An older service, before it is updated: it knows no such tenants.
    if (answer.status === 404) return NO_OTHERS;
    const { data }: { data?: z.output<typeof Page> | undefined } = Page.safeParse(answer.body);
    if (!data) {
      const reason = `the service answered ${answer.status} to the question for them`;
      return unseen(reason, 'set ADMIN_TOKEN as for the service');
    }
    for (const each of data.items) {
      const { id, host, instance, state, removal, callbackUrl, readOnly } = each;
      useWire ||=
        each.routing?.by === 'lhc' ||
        each.callbackFlavour === 'xmppservice' ||
        each.hasLegacySecret === true;
      if (state === 'removing') findings.push(judgeRemoval(id, removal?.reason ?? null));
      // The file of the service declares it: it was changed since, or the doctor has another one.
      else if (!declared.has(id) && !readOnly && instance !== ANY_INSTANCE) {
        const naming = { id, host, ...(instance && { instance }) };
        tenants.push({ ...naming, callbackUrl: callbackUrl ?? undefined });
      }
    }
    cursor = data.next;
  }
  return { tenants, findings, useWire };
}

const judgeRemoval = (id: string, reason: string | null): Finding =>
  reason === null
    ? ok(`tenant ${id} is being removed`)
    : warning(
        `the removal of tenant ${id} waits: ${reason}`,
        'it goes on by itself when that is repaired: xmpp-chat tenants show says how far it is',
      );

const Tested = z.object({
  status: z.enum(['ok', 'warning', 'problem']),
  message: z.string(),
  advice: z.string().optional(),
  clockOffset: z.number().nullable(),
});

/** The doctor does not know the tenant's secret, so the service sends the ping. */
export const otherCallbackCheck = (
  service: Pick<PostingService, 'post'>,
  { id, callbackUrl }: OtherTenant,
): Check => ({
  name: `callback ${id}`,
  async run() {
    if (callbackUrl === undefined) {
      return [
        warning(
          'there is no callbackUrl: LHC gets no callbacks, so no message of an operator reaches a visitor',
          'set callbackUrl and callbackSecret of the tenant, unless LHC asks by itself',
        ),
      ];
    }
    const answer = await service.post(`/v1/tenants/${id}/callback-test`);
    if (answer === null || answer === 'silent') return [];
    const { data } = Tested.safeParse(answer.body);
    if (!data) {
      const message = `the service answered ${answer.status}, and did not ask LHC`;
      return [problem(message, "see the service's log")];
    }
    const { status, message, advice, clockOffset } = data;
    return [
      ...judgeEncryption(callbackUrl, 'messages of visitors and operators'),
      { status, message, ...(advice !== undefined && { advice }) },
      ...(clockOffset === null ? [] : [judgeClock("this tenant's LHC", clockOffset)]),
    ];
  },
});
