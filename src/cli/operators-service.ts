/** The running service, as the commands about operators ask it. */
import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError, hasCode, messageOf } from '../errors.ts';
import { backoff } from '../kit/backoff.ts';
import { retryAfter } from '../lhc/retry-after.ts';
import type { Row } from './operators-file.ts';

/** Longer than the service takes, which answers 503 when ejabberd is too slow. */
const DEADLINE_MS = 35_000;
const PAGE = 200;
const MOST_PAGES = 1_000;
/** Up to two minutes in all: an ejabberd that starts anew is there again by then. */
const MOST_TRIES = 10;
export const IMPORT_RETRY = { firstMs: 500, mostMs: 20_000 };

export const Operator = z.object({
  username: z.string(),
  lhcUserId: z.number(),
  name: z.string().nullable(),
  departments: z.array(z.string()),
  capacity: z.number(),
  free: z.number(),
  availability: z.string(),
  /** ms since 1970 */
  onlineSince: z.number().nullable(),
  unresponsive: z.boolean(),
  chats: z.array(z.unknown()),
});
export type Operator = z.infer<typeof Operator>;

const Page = z.object({
  items: z.array(z.looseObject(Operator.shape)),
  next: z.string().nullable(),
  position: z.string().nullable(),
});
const Problem = z.object({
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), reason: z.string() })).optional(),
});

export interface ServiceAccess {
  readonly url: string;
  readonly token: string;
  readonly tenant: string;
}

export interface OperatorsService {
  /** All of them that fit; `position`: how far the list had read the log. */
  list(filter: Readonly<Record<string, string>>): Promise<{
    items: z.infer<typeof Page>['items'];
    position: string | null;
  }>;
  /**
   * Registers or changes one; what is too busy is asked again, with the same Idempotency-Key.
   * @param basis what the row was compared with: the same row later is another request
   * @throws {AppError} with what the service answered; `unavailable` when it has been away for two minutes
   */
  put(row: Row, basis: string): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfterMs: number | undefined;
}

/** @param pause waits so many ms; a test has no time for it */
export function operatorsService(
  { url, token, tenant }: ServiceAccess,
  pause: (ms: number) => Promise<unknown> = delay,
): OperatorsService {
  const root = `/v1/${encodeURIComponent(tenant)}/operators`;

  async function ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(path, url), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      text = await response.text();
    } catch (error) {
      throw new AppError('unavailable', `no service answers at ${url}: ${messageOf(error)}`);
    }
    const retryAfterMs = retryAfter(response.headers.get('retry-after'), Date.now());
    try {
      return { status: response.status, body: text === '' ? null : JSON.parse(text), retryAfterMs };
    } catch {
      throw new AppError(
        'refused',
        `${url} answered ${response.status} with what is no JSON: is it xmpp-chat?`,
      );
    }
  }

  function refusal({ status, body }: Answer): AppError {
    const { data } = Problem.safeParse(body);
    const named = data?.errors?.map(({ field, reason }) => `${field}: ${reason}`).join('; ');
    const said = named || data?.detail || 'no reason was given';
    const who =
      status === 401 ? `; --token is neither a key of tenant ${tenant} nor the admin token` : '';
    return new AppError(status === 503 ? 'unavailable' : 'refused', `${status} ${said}${who}`);
  }

  async function once(row: Row, key: string): Promise<number | null> {
    const path = `${root}/${encodeURIComponent(row.username)}`;
    const answer = await ask('PUT', path, row.wish, { 'idempotency-key': key });
    if (answer.status === 202) return null;
    if (answer.status !== 503) throw refusal(answer);
    return answer.retryAfterMs ?? 0;
  }

  return {
    async list(filter) {
      const items: z.infer<typeof Page>['items'] = [];
      let position: string | null = null;
      let cursor: string | null = null;
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const query = new URLSearchParams({
          ...filter,
          limit: String(PAGE),
          ...(cursor && { cursor }),
        });
        const answer = await ask('GET', `${root}?${query}`);
        if (answer.status !== 200) throw refusal(answer);
        const page = Page.safeParse(answer.body).data;
        if (!page) {
          throw new AppError(
            'refused',
            `${url} answers, but not as this service does: set LISTEN as for the service, or name it with --url`,
          );
        }
        items.push(...page.items);
        position ??= page.position;
        cursor = page.next;
        if (cursor === null) return { items, position };
      }
      throw new AppError('too-large', `there are more than ${MOST_PAGES * PAGE} operators`);
    },
    async put(row, basis) {
      // Keys stay in the log: with the token in it nobody learns a password from one by trying.
      const content = JSON.stringify([tenant, basis, row.username, row.wish]);
      const key = `import-${createHmac('sha256', token).update(content).digest('base64url')}`;
      for (let tries = 1; ; tries++) {
        let failure: AppError | null = null;
        const leastMs = await once(row, key).catch((error: unknown) => {
          if (!hasCode(error, 'unavailable')) throw error;
          failure = error;
          return 0;
        });
        if (leastMs === null) return;
        if (tries === MOST_TRIES) {
          throw (
            failure ??
            new AppError('unavailable', `503 after ${tries} tries; import it again later`)
          );
        }
        await pause(
          Math.max(
            Math.min(leastMs, IMPORT_RETRY.mostMs),
            backoff(tries, IMPORT_RETRY, Math.random),
          ),
        );
      }
    },
  };
}
