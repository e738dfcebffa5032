/**
 * Reads the chats of LHCs without an extension (docs/adr/0047). A webhook says which chat has changed, and a list of LHC's
 * open chats, asked for now and then, finds what no webhook has said. So nothing has to be kept while a look waits.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { TenantId, Username } from '../../actors/ids.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { messageOf } from '../../errors.ts';
import { backoff, type RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { Lru } from '../../kit/lru.ts';
import type { RestAccess } from '../../lhc/rest-api.ts';
import type { RestChat } from '../../lhc/rest-chats.ts';
import { type Ownership, partitionOf } from '../../runtime/leases/ownership.ts';
import type { LhcChats } from '../../runtime/lhc-ports.ts';
import type { Actors } from '../../runtime/ports.ts';
import { accessOf, createChatReading, type Look, type ReadingOptions } from './chat-reading.ts';

/** Looks at the same time: of all tenants, which take turns, and of one. */
export const LOOKS_AT_ONCE = 16;
export const LOOKS_AT_ONCE_OF_TENANT = 4;
/** Chats of one tenant that wait for a look. More are found by the list. */
export const CHATS_WAITING_MAX = 1_000;
/** LHC sends some webhooks before its transaction ends. So the first look waits, and there is a second one if it finds nothing. */
export const FIRST_LOOK_AFTER_MS = 150;
export const SECOND_LOOK_AFTER_MS = 1_000;
/** Waits between the tries of a look that failed, and how many there are: the list finds the chat again. */
export const LOOK_RETRY: RetryPolicy = { firstMs: 500, mostMs: 15_000 };
export const LOOK_TRIES = 6;
/** How often LHC's open chats are listed: while an operator is online, and otherwise. */
export const LIST_EVERY_MS = 15_000;
export const LIST_EVERY_ALONE_MS = 60_000;
/** Pages of the list. Chats behind them are found by their webhooks alone. */
export const LIST_PAGES = 10;
/** Operators who are asked whether one is online. */
const OPERATORS_ASKED = 200;
const CHATS_REMEMBERED = 20_000;

export interface ChatReaderOptions extends ReadingOptions {
  readonly actors: Actors;
  readonly tenants: TenantDirectory;
  readonly ownership: Ownership;
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
  readonly random: () => number;
  /** ms since 1970 */
  readonly now: () => number;
  readonly logger: Logger;
  /** Default {@link LIST_EVERY_MS} and {@link LIST_EVERY_ALONE_MS}. */
  readonly listEveryMs?: number | undefined;
}

export interface ChatReader extends LhcChats {
  start(): void;
  /** Ends the looks. What is not read is found after the next start. */
  stop(): Promise<void>;
}

interface Waiting {
  /** Another webhook has come since the look began. */
  again: boolean;
  /** When the webhook came the first look may have been too early. */
  second: boolean;
}

/** What a list shows of a chat: another one means that there is something to read. */
const fingerprintOf = ({ status, status_sub, user_id, last_msg_id, dep_id }: RestChat): string =>
  [status, status_sub, user_id, last_msg_id, dep_id].join();

export function createChatReader(options: ChatReaderOptions): ChatReader {
  const { tenants, ownership, known, chats, random, now, logger } = options;
  const { listEveryMs = LIST_EVERY_MS } = options;
  const look = createChatReading(options);
  const limiter = createLimiter(LOOKS_AT_ONCE);
  const waiting = new Map<TenantId, Map<number, Waiting>>();
  /** By chat: how the list showed it when it was last read. */
  const listed = new Lru<string>(CHATS_REMEMBERED);
  const webhookAt = new Map<TenantId, number>();
  const reading = new Set<Promise<void>>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const limits = new Map<TenantId, ReturnType<typeof createLimiter>>();

  const pause = (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal }).catch(() => undefined);

  function limitOf(tenant: TenantId): ReturnType<typeof createLimiter> {
    const limit = limits.get(tenant) ?? createLimiter(LOOKS_AT_ONCE_OF_TENANT);
    limits.set(tenant, limit);
    return limit;
  }

  async function lookOnce(id: TenantId, chatId: number): Promise<Look | null> {
    const tenant = tenants.get(id);
    const access = tenant && accessOf(tenant);
    if (!tenant || !access) return null;
    try {
      return await limitOf(id)(() => limiter(() => look(tenant, access, chatId), id));
    } catch (error) {
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  /** Reads one chat until nothing more is known to be there. */
  async function read(tenant: TenantId, chatId: number, state: Waiting): Promise<void> {
    for (let tries = 1; !signal.aborted; ) {
      state.again = false;
      const seen = await lookOnce(tenant, chatId);
      if (seen?.kind === 'retry') {
        listed.delete(`${tenant} ${chatId}`);
        logger.debug({ tenant, chatId, reason: seen.reason, tries }, 'a chat in LHC was not read');
        if (tries++ >= LOOK_TRIES) return;
        await pause(backoff(tries, LOOK_RETRY, random));
      } else if (seen?.kind === 'seen' && !seen.isNew && state.second) {
        state.second = false;
        await pause(SECOND_LOOK_AFTER_MS);
      } else if (!state.again) return;
    }
  }

  /** @returns false if too many chats of the tenant wait */
  function soon(tenant: TenantId, chatId: number, afterMs: number, second: boolean): boolean {
    const ofTenant = waiting.get(tenant) ?? new Map<number, Waiting>();
    const before = ofTenant.get(chatId);
    if (before) {
      before.again = true;
      before.second ||= second;
      return true;
    }
    if (ofTenant.size >= CHATS_WAITING_MAX || signal.aborted) return false;
    const state = { again: false, second };
    waiting.set(tenant, ofTenant.set(chatId, state));
    const work = pause(afterMs)
      .then(() => read(tenant, chatId, state))
      .finally(() => {
        ofTenant.delete(chatId);
        if (ofTenant.size === 0) waiting.delete(tenant);
        reading.delete(work);
      });
    reading.add(work);
    return true;
  }

  /** Lists LHC's chats, and looks at those that are not as they were. */
  async function list({ id }: Tenant, access: RestAccess): Promise<void> {
    const found = new Set<number>();
    let isWhole = false;
    const range = known.range(id);
    const consider = (chat: RestChat): void => {
      found.add(chat.id);
      const place = `${id} ${chat.id}`;
      const isForgotten = range !== null && chat.id < range.oldest;
      if (isForgotten || listed.get(place) === fingerprintOf(chat)) return;
      if (soon(id, chat.id, 0, false)) listed.set(place, fingerprintOf(chat));
    };
    for (let page = 0; page < LIST_PAGES && !isWhole; page++) {
      const offset = found.size;
      const read = await chats.list(access, { open: true, offset });
      if (read.kind !== 'ok')
        return tellFailure(id, read.kind === 'away' ? read.reason : read.text);
      for (const chat of read.value.chats) consider(chat);
      isWhole = read.value.isLast;
    }
    // Chats that began and ended while nobody listened, and those that LHC has closed.
    if (range) {
      const newer = await chats.list(access, { above: range.newest });
      for (const chat of newer.kind === 'ok' ? newer.value.chats : []) consider(chat);
    }
    if (!isWhole) return;
    for (const chatId of known.open(id)) if (!found.has(chatId)) soon(id, chatId, 0, false);
  }

  function tellFailure(tenant: TenantId, reason: string): void {
    logger.debug({ tenant, reason }, "LHC's chats were not listed");
  }

  async function isAnybodyOnline(tenant: TenantId): Promise<boolean> {
    for (const username of options.operatorsOf(tenant).slice(0, OPERATORS_ASKED)) {
      const state = await options.actors.operator(tenant, username).state();
      if (state && state.availability !== 'offline') return true;
    }
    return false;
  }

  const listedAt = new Map<TenantId, number>();

  async function listDue(tenant: Tenant): Promise<void> {
    const access = accessOf(tenant);
    if (!access || !ownership.owns(partitionOf(tenant.id))) {
      listedAt.delete(tenant.id);
      return;
    }
    const alone = LIST_EVERY_ALONE_MS / LIST_EVERY_MS;
    const sinceMs = now() - (listedAt.get(tenant.id) ?? Number.NEGATIVE_INFINITY);
    const isDue = sinceMs >= listEveryMs * alone || (await isAnybodyOnline(tenant.id));
    // A clock that was set back makes it due at once.
    if (!isDue && sinceMs >= 0) return;
    listedAt.set(tenant.id, now());
    await limiter(() => list(tenant, access), tenant.id);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const ofRest = tenants.all().filter(({ callbackFlavour }) => callbackFlavour === 'rest');
      await Promise.all(
        ofRest.map((tenant) =>
          listDue(tenant).catch((error) => tellFailure(tenant.id, messageOf(error))),
        ),
      );
      await pause(listEveryMs * (0.9 + random() / 5));
    }
  }

  let running: Promise<void> = Promise.resolve();
  return {
    changed(tenant, chatId) {
      webhookAt.set(tenant, now());
      return soon(tenant, chatId, FIRST_LOOK_AFTER_MS, true);
    },
    lastWebhookAt: (tenant) => webhookAt.get(tenant) ?? null,
    start() {
      running = run();
    },
    async stop() {
      stopping.abort();
      await Promise.all([running, ...reading]);
    },
  };
}
