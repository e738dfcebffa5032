/** What ejabberd's modules have posted since this process started: for `xmpp-chat doctor` and for alerts. */
import { z } from 'zod';
import { AppError, messageOf } from '../../errors.ts';

/** The receipts of one virtual host. */
interface HostReceipts {
  acceptedAt: number;
  batches: number;
  /** The sender's clock minus ours at the last batch, in s. A batch that waited in mod_lhc's queue counts as late. */
  clockOffset: number;
  /** The version of mod_lhc, from `module.started`; null if the module has not started since. */
  module: string | null;
  ejabberd: string | null;
}

/** What the older modules of ejabberd have posted for one virtual host. */
interface OlderReceipts {
  /** ms since 1970 */
  at: number;
  callbacks: number;
  /** Of the last one. */
  address: string;
}

interface RefusedAddress {
  at: number;
  callbacks: number;
}

interface Refused {
  count: number;
  at: number | null;
  /** Of the last one that a secret has signed: the sender's clock minus ours, in s, and when that was. */
  clockOffset: number | null;
  clockSeenAt: number | null;
}

export interface WebhookReceipts {
  /** @param sentAt the header webhook-timestamp, in s since 1970 */
  onAccepted(events: readonly unknown[], sentAt: number): void;
  /**
   * A batch with a wrong or stale signature. Anybody can send one.
   * @param sentAt null unless a secret has signed it: nobody else tells the time
   */
  onRefused(sentAt: number | null): void;
  /** A batch with a right signature that could not be taken. */
  onFailed(error: unknown): void;
  /** A callback of the older modules was taken. @param address where it came from */
  onOlder(host: string, address: string): void;
  /** A callback of the older modules came from an address that may not post any. */
  onOlderRefused(address: string): void;
  /** For /readyz. @throws {AppError} `unavailable` if a batch has failed within {@link FAILING_MS} */
  check(): Promise<void>;
  view(): {
    readonly hosts: Readonly<Record<string, Readonly<HostReceipts>>>;
    readonly refused: Readonly<Refused>;
    readonly failed: { count: number; at: number | null; reason: string | null };
    readonly olderModules: {
      readonly hosts: Readonly<Record<string, Readonly<OlderReceipts>>>;
      /** The last {@link REFUSED_ADDRESSES} addresses. */
      readonly refused: Readonly<Record<string, Readonly<RefusedAddress>>>;
    };
  };
}

/** Addresses of refused callbacks that are remembered. Anybody can make one. */
export const REFUSED_ADDRESSES = 32;

/** Batches count as failing for so long after a failure. mod_lhc sends a failed batch again within a minute. */
export const FAILING_MS = 120_000;

const MAX_VERSION_CHARACTERS = 40;
const MAX_REASON_CHARACTERS = 300;

/** The parts of an event that receipts need. The inbox checks the whole event. */
const EventHead = z.object({
  host: z.string(),
  type: z.string(),
  version: z.string().max(MAX_VERSION_CHARACTERS).optional(),
  ejabberd: z.string().max(MAX_VERSION_CHARACTERS).optional(),
});

/**
 * @param isOurs true for hosts of our tenants. No others are kept, however many a batch names
 * @param now ms since 1970
 */
export function createWebhookReceipts(
  isOurs: (host: string) => boolean,
  now: () => number,
): WebhookReceipts {
  const hosts = new Map<string, HostReceipts>();
  const older = new Map<string, OlderReceipts>();
  const refusedAddresses = new Map<string, RefusedAddress>();
  const refused: Refused = {
    count: 0,
    at: null,
    clockOffset: null,
    clockSeenAt: null,
  };
  const failed: { count: number; at: number | null; reason: string | null } = {
    count: 0,
    at: null,
    reason: null,
  };
  const offset = (sentAt: number): number => Math.round(sentAt - now() / 1000);

  return {
    onAccepted(events, sentAt) {
      const seen = new Set<string>();
      for (const event of events) {
        const { data } = EventHead.safeParse(event);
        if (!data || !isOurs(data.host)) continue;
        const host = hosts.get(data.host) ?? {
          acceptedAt: 0,
          batches: 0,
          clockOffset: 0,
          module: null,
          ejabberd: null,
        };
        hosts.set(data.host, host);
        if (data.type === 'module.started') {
          host.module = data.version ?? null;
          host.ejabberd = data.ejabberd ?? null;
        }
        if (seen.has(data.host)) continue;
        seen.add(data.host);
        host.batches += 1;
        host.acceptedAt = now();
        host.clockOffset = offset(sentAt);
      }
    },
    onRefused(sentAt) {
      refused.count += 1;
      refused.at = now();
      // A stranger must not hide what a real sender's clock says.
      if (sentAt === null) return;
      refused.clockOffset = offset(sentAt);
      refused.clockSeenAt = now();
    },
    onFailed(error) {
      failed.count += 1;
      failed.at = now();
      failed.reason = messageOf(error).slice(0, MAX_REASON_CHARACTERS);
    },
    onOlder(host, address) {
      if (!isOurs(host)) return;
      older.set(host, { at: now(), callbacks: (older.get(host)?.callbacks ?? 0) + 1, address });
    },
    onOlderRefused(address) {
      const callbacks = (refusedAddresses.get(address)?.callbacks ?? 0) + 1;
      refusedAddresses.delete(address);
      refusedAddresses.set(address, { at: now(), callbacks });
      const [oldest] = refusedAddresses.keys();
      if (refusedAddresses.size > REFUSED_ADDRESSES && oldest !== undefined) {
        refusedAddresses.delete(oldest);
      }
    },
    async check() {
      const { at, count, reason } = failed;
      if (at === null || now() - at > FAILING_MS) return;
      const times = count === 1 ? 'one failure' : `${count} failures`;
      throw new AppError('unavailable', `batches of mod_lhc fail (${times}): ${reason}`);
    },
    view: () => ({
      hosts: Object.fromEntries(hosts),
      refused,
      failed,
      olderModules: {
        hosts: Object.fromEntries(older),
        refused: Object.fromEntries(refusedAddresses),
      },
    }),
  };
}
