/** Whether each registered operator of a tenant still has an account in ejabberd. Without one they cannot log in. */
import { z } from 'zod';
import { operatorJid, type TenantNaming, Username } from '../actors/ids.ts';
import { createLimiter } from '../kit/limiter.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';
import type { ServicePort } from './service.ts';

/** Operators of one tenant that are looked at. */
export const MOST_OPERATORS = 2_000;
/** No further page is begun after this time, so that a slow ejabberd leaves a result. */
export const LOOK_MS = 3_000;
const OPERATORS_PER_PAGE = 100;
const CALLS_AT_ONCE = 8;
const OPERATORS_NAMED = 5;

const Page = z.object({
  items: z.array(z.object({ username: Username })),
  next: z.string().nullable(),
});
/** `check_account`: 0 the account exists, 1 it does not. */
const ZeroOrOne = z.union([z.literal(0), z.literal(1)]);

/** Without a key the admin token opens it. */
type Asked = TenantNaming & { readonly apiKey?: string };

export const operatorsCheck = (
  api: Pick<HttpApi, 'call'>,
  service: ServicePort,
  tenant: Asked,
): Check => ({
  name: `operators ${tenant.id}`,
  async run(signal) {
    const limited = createLimiter(CALLS_AT_ONCE);
    const isMissing = async (username: Username): Promise<boolean> => {
      const [user = '', host = ''] = operatorJid(tenant, username).split('@');
      return (await api.call('check_account', { user, host }, ZeroOrOne)) === 1;
    };
    const end = performance.now() + LOOK_MS;
    const missing: Username[] = [];
    let seen = 0;
    let next: string | null = null;
    do {
      const page = await pageOf(service, tenant, next);
      if (!('items' in page)) return page.findings;
      const names = page.items.map(({ username }) => username);
      try {
        const gone = await Promise.all(names.map((name) => limited(() => isMissing(name))));
        missing.push(...names.filter((_, i) => gone[i]));
      } catch (error) {
        return [apiProblem(error)];
      }
      seen += names.length;
      next = page.next;
    } while (next && seen < MOST_OPERATORS && performance.now() < end && !signal.aborted);
    return [
      ...judgeMissing(tenant, seen, missing),
      ...(next
        ? [
            warning(
              `only the first ${seen} operators were looked at`,
              'run the doctor again when ejabberd has less to do, if that matters',
            ),
          ]
        : []),
    ];
  },
});

/** A page of operators, from the running service. Without a service there is nothing to find: another check says so. */
async function pageOf(
  service: ServicePort,
  { id, apiKey }: Asked,
  cursor: string | null,
): Promise<z.output<typeof Page> | { readonly findings: Finding[] }> {
  const query = new URLSearchParams({
    limit: String(OPERATORS_PER_PAGE),
    ...(cursor && { cursor }),
  });
  const answer = await service.get(
    `/v1/${id}/operators?${query}`,
    apiKey === undefined ? {} : { token: apiKey },
  );
  if (answer === null || answer === 'silent') return { findings: [] };
  const { data } = Page.safeParse(answer.body);
  if (data) return data;
  const message = `the service answered ${answer.status} to a question about this tenant's operators`;
  const advice =
    answer.status === 401 || answer.status === 404
      ? 'restart the service if TENANTS_FILE was changed: it does not know this tenant or its apiKey'
      : "see the service's log";
  return { findings: [warning(message, advice)] };
}

function judgeMissing({ id }: Asked, seen: number, missing: readonly Username[]): Finding[] {
  if (missing.length === 0) {
    return seen === 0 ? [] : [ok(`every registered operator has an account in ejabberd: ${seen}`)];
  }
  const names = missing.slice(0, OPERATORS_NAMED).join(', ');
  const more = missing.length - OPERATORS_NAMED;
  return [
    problem(
      `registered operators without an account in ejabberd: ${names}${more > 0 ? ` and ${more} more` : ''}. They cannot log in`,
      `register them again, with a password: PUT /v1/${id}/operators/{username}. Find out who removed the accounts`,
    ),
  ];
}
