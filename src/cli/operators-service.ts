/** Operators as the running service lists and changes them. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError, hasCode } from '../errors.ts';
import { backoff } from '../kit/backoff.ts';
import type { Row } from './operators-file.ts';
import {
  type Answer,
  anotherProgram,
  ask,
  refusalOf,
  type ServiceAccess,
} from './service-client.ts';

export const OPERATORS_PER_PAGE = 200;
export const MOST_PAGES = 1_000;
/** Up to two minutes in all: ejabberd restarts in that time. */
export const IMPORT_RETRY = { times: 10, firstMs: 500, mostMs: 20_000 };

/** Loose, so that `operators list --json` prints everything that the service says. */
const Operator = z.looseObject({
  username: z.string(),
  lhcUserId: z.number().nullable(),
  name: z.string().nullable(),
  departments: z.array(z.string()),
  capacity: z.number(),
  // A service of 0.1.0 has none of these.
  tier: z.number().default(1),
  tiers: z.record(z.string(), z.number()).default({}),
  languages: z.array(z.string()).default([]),
  free: z.number(),
  availability: z.string(),
  /** ms since 1970 */
  onlineSince: z.number().nullable(),
  unresponsive: z.boolean(),
  chats: z.array(z.unknown()),
});
export type Operator = z.infer<typeof Operator>;

const Page = z.object({
  items: z.array(Operator),
  next: z.string().nullable(),
});

export interface OperatorsService {
  /** All operators that match. */
  list(filter: Readonly<Record<string, string>>): Promise<readonly Operator[]>;
  /**
   * Registers or changes one operator. While the service is busy or away, or the tenant is over a bound, the request is repeated with the same
   * Idempotency-Key.
   * @throws {AppError} with the answer of the service; `unavailable` after {@link IMPORT_RETRY}
   */
  put(row: Row): Promise<void>;
}

/** @param pause waits so many ms; a parameter for the tests */
export function operatorsService(
  access: ServiceAccess,
  tenant: string,
  pause: (ms: number) => Promise<unknown> = delay,
): OperatorsService {
  const root = `/v1/${encodeURIComponent(tenant)}/operators`;

  function refusal(answer: Answer): AppError {
    const error = refusalOf(answer);
    if (answer.status !== 401) return error;
    const hint = `--token is neither a key of tenant ${tenant} nor the admin token`;
    return new AppError(error.code, `${error.message}; ${hint}`);
  }

  async function page(query: URLSearchParams): Promise<z.infer<typeof Page>> {
    const answer = await ask(access, { method: 'GET', path: `${root}?${query}` });
    if (answer.status !== 200) throw refusal(answer);
    const parsed = Page.safeParse(answer.body);
    if (!parsed.success) throw anotherProgram(access.url, answer.status);
    return parsed.data;
  }

  /** @returns null when the service accepted the row; otherwise why not yet, and how long it asks to wait */
  async function tryPut(
    row: Row,
    key: string,
  ): Promise<{ error: AppError; leastMs: number } | null> {
    try {
      const path = `${root}/${encodeURIComponent(row.username)}`;
      const headers = { 'idempotency-key': key };
      const answer = await ask(access, { method: 'PUT', path, body: row.settings, headers });
      if (answer.status === 202) return null;
      if (answer.status !== 503 && answer.status !== 429) throw refusal(answer);
      return { error: refusal(answer), leastMs: answer.retryAfterMs ?? 0 };
    } catch (error) {
      if (hasCode(error, 'unavailable')) return { error, leastMs: 0 };
      throw error;
    }
  }

  return {
    async list(filter) {
      const items: Operator[] = [];
      const query = new URLSearchParams({ ...filter, limit: String(OPERATORS_PER_PAGE) });
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const { items: more, next } = await page(query);
        items.push(...more);
        if (next === null) return items;
        query.set('cursor', next);
      }
      throw new AppError(
        'too-large',
        `there are more than ${MOST_PAGES * OPERATORS_PER_PAGE} operators`,
      );
    },

    async put(row) {
      const key = randomUUID();
      for (let tries = 1; ; tries++) {
        const busy = await tryPut(row, key);
        if (!busy) return;
        if (tries === IMPORT_RETRY.times) throw busy.error;
        const leastMs = Math.min(busy.leastMs, IMPORT_RETRY.mostMs);
        await pause(Math.max(leastMs, backoff(tries, IMPORT_RETRY, Math.random)));
      }
    },
  };
}
