/**
 * Looks at files before they are passed on: fetches each one, compares content and name, and asks the scanner. It works beside
 * the lanes: a lane asks for the verdict, and while there is none it waits without a turn at its gate. So a server that is
 * slow holds up nobody but the conversation that has its file.
 *
 * Nothing of a file stays: its bytes go when the verdict is there. What stays for a while, in memory, is the verdict.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { FileSettings } from '../actors/tenant/file-settings.ts';
import { backoff, type RetryPolicy } from '../kit/backoff.ts';
import { createLimiter, type Limiter } from '../kit/limiter.ts';
import { Lru } from '../kit/lru.ts';
import { TokenBucket } from '../kit/token-bucket.ts';
import { type FetchFile, fetchFile } from './fetch.ts';
import { nameFault, typeOf } from './forms.ts';
import type { Scanner } from './scanner.ts';

/** Waits between the tries of one file, while its server or the scanner is away. */
export const FILE_RETRY: RetryPolicy = { firstMs: 500, mostMs: 15_000 };
/** A file that could not be looked at for so long is refused: what is said behind it waits. */
export const FILE_GIVE_UP_MS = 120_000;
/** Files of one tenant that are looked at, at the same time; fewer if they may be large. */
export const TENANT_FILES_AT_ONCE = 4;
/** Bytes of a tenant's files in memory at most, unless one file may be larger. */
export const TENANT_BYTES_AT_ONCE = 67_108_864;
/** Of all tenants together. */
export const FILES_AT_ONCE = 16;
/** Files of one tenant that wait. Further ones are refused. */
export const TENANT_FILES_WAITING = 1_000;
const VERDICTS_REMEMBERED = 10_000;
const TENANTS_REMEMBERED = 10_000;

export type Verdict =
  | {
      readonly kind: 'passed';
      readonly type: string;
      readonly size: number;
      readonly sha256: string;
    }
  /** `reason` ends a sentence, and names nothing of the file. */
  | { readonly kind: 'refused'; readonly reason: string };

export interface FileQuestion extends Pick<FetchFile, 'fetch' | 'mayBeAt'> {
  readonly tenant: string;
  /** The same for the same file: a verdict is remembered by it. */
  readonly id: string;
  readonly url: string;
  readonly name: string;
  readonly settings: FileSettings;
}

export interface FileChecks {
  /** The verdict; `pending` while there is none. The first call begins the look. Never throws, never waits. */
  verdict(question: FileQuestion): Verdict | 'pending';
  /** Since the start. `failed`: tries that found the server or the scanner away, or too many files of the tenant. */
  readonly counts: { readonly passed: number; readonly refused: number; readonly failed: number };
  /** Ends all looks. */
  stop(): void;
}

/** What one tenant has of the looks. */
interface Share {
  atOnce: number;
  perMinute: number;
  limited: Limiter;
  bucket: TokenBucket;
  waiting: number;
}

const refused = (reason: string): Verdict => ({ kind: 'refused', reason });

export function createFileChecks(options: {
  /** null: no scanner is configured. */
  readonly scan: Scanner | null;
  /** ms, never backwards */
  readonly monotonic: () => number;
  readonly random: () => number;
  /** A try has failed; another one follows, or the file is refused. */
  readonly onAway?: (tenant: string, reason: string) => void;
  /** Defaults: {@link FILE_RETRY}, {@link FILE_GIVE_UP_MS}, and that of {@link fetchFile}. */
  readonly retry?: RetryPolicy;
  readonly giveUpMs?: number;
  readonly fetchDeadlineMs?: number;
}): FileChecks {
  const { scan, monotonic, random, fetchDeadlineMs } = options;
  const { retry = FILE_RETRY, giveUpMs = FILE_GIVE_UP_MS } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const known = new Lru<{ verdict: Verdict | 'pending' }>(VERDICTS_REMEMBERED);
  const shares = new Lru<Share>(TENANTS_REMEMBERED);
  const limited = createLimiter(FILES_AT_ONCE);
  const counts = { passed: 0, refused: 0, failed: 0 };

  function shareOf({ tenant, settings: { maxBytes, perMinute } }: FileQuestion): Share {
    const fits = Math.max(1, Math.floor(TENANT_BYTES_AT_ONCE / maxBytes));
    const atOnce = Math.min(TENANT_FILES_AT_ONCE, fits);
    const before = shares.get(tenant);
    if (before?.atOnce === atOnce && before.perMinute === perMinute) return before;
    const bounds = {
      atOnce,
      perMinute,
      limited: createLimiter(atOnce),
      bucket: new TokenBucket({ burst: perMinute, perSecond: perMinute / 60 }),
    };
    // The settings have changed, and what waits still counts.
    const share = before ? Object.assign(before, bounds) : { ...bounds, waiting: 0 };
    shares.set(tenant, share);
    return share;
  }

  /** One look. @returns why there is no verdict, as a text */
  async function look(question: FileQuestion): Promise<Verdict | string> {
    const { url, name, settings, fetch, mayBeAt } = question;
    const { maxBytes } = settings;
    const bounds = { fetch, mayBeAt, maxBytes, signal, deadlineMs: fetchDeadlineMs };
    const fetched = await fetchFile(url, bounds);
    if (fetched.outcome === 'away') return fetched.reason;
    if (fetched.outcome === 'refused') return refused(fetched.reason);
    const { bytes } = fetched;
    const type = typeOf(name, bytes);
    if (type === null) return refused('its content is not what its name says');
    const scanned = scan ? await scan(bytes, signal) : null;
    if (scanned?.outcome === 'found') return refused(scanned.reason);
    // Fails closed: nothing but "clean" lets a file through once there is a scanner.
    if (scanned && scanned.outcome !== 'clean') return scanned.reason;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { kind: 'passed', type, size: bytes.length, sha256 };
  }

  async function lookUntil(question: FileQuestion, share: Share): Promise<Verdict> {
    const since = monotonic();
    let reason = 'too many files of this team are on their way';
    for (let tries = 1; !signal.aborted; tries++) {
      const found = share.bucket.take(monotonic())
        ? await share.limited(() => limited(() => look(question), question.tenant))
        : reason;
      if (typeof found !== 'string') return found;
      reason = found;
      counts.failed += 1;
      options.onAway?.(question.tenant, reason);
      if (monotonic() - since >= giveUpMs) break;
      await delay(backoff(tries, retry, random), undefined, { signal }).catch(() => undefined);
    }
    return refused(reason);
  }

  function begin(question: FileQuestion): { verdict: Verdict | 'pending' } {
    const refusedAtOnce = (reason: string) => {
      counts.refused += 1;
      return { verdict: refused(reason) };
    };
    const fault = nameFault(question.name, question.settings.types);
    if (fault !== null) return refusedAtOnce(fault);
    const share = shareOf(question);
    if (share.waiting >= TENANT_FILES_WAITING) {
      return refusedAtOnce('too many files of this team are on their way');
    }
    const entry: { verdict: Verdict | 'pending' } = { verdict: 'pending' };
    share.waiting += 1;
    lookUntil(question, share)
      .catch((): Verdict => refused('it could not be looked at'))
      .then((verdict) => {
        share.waiting -= 1;
        // A stop is no verdict: the next process looks again.
        if (signal.aborted) return;
        counts[verdict.kind] += 1;
        entry.verdict = verdict;
      });
    return entry;
  }

  return {
    verdict(question) {
      const key = `${question.tenant} ${question.id}`;
      const entry = known.get(key) ?? begin(question);
      known.set(key, entry);
      return entry.verdict;
    },
    counts,
    stop: () => stopping.abort(),
  };
}
