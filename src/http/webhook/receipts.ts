/** What mod_lhc's webhook has brought since this process began: for `xmpp-chat doctor` and for alerts. */
import { z } from 'zod';
import { messageOf } from '../../errors.ts';

/** Of one virtual host. */
interface Host {
  acceptedAt: number;
  batches: number;
  /** The sender's clock less ours when the last batch came, in s; a batch that waited for its turn counts as late. */
  clockOffset: number;
  /** As `module.started` said; null when the module did not start since. */
  module: string | null;
  ejabberd: string | null;
}

export interface WebhookReceipts {
  /** @param sentAt the header webhook-timestamp, in s since 1970 */
  accepted(events: readonly unknown[], sentAt: number): void;
  /** Not signed with our secret, or too old. Anybody may cause it. */
  refused(sentAt: number): void;
  /** Signed rightly, and the events could not be stored. */
  failed(error: unknown): void;
  view(): {
    readonly hosts: Readonly<Record<string, Readonly<Host>>>;
    readonly refused: { count: number; at: number | null; clockOffset: number | null };
    readonly failed: { count: number; at: number | null; reason: string | null };
  };
}

/** What is looked at of an event; it is checked elsewhere. */
const Glance = z.object({
  host: z.string(),
  type: z.string(),
  version: z.string().max(40).optional(),
  ejabberd: z.string().max(40).optional(),
});

/**
 * @param served hosts that are ours: no others are kept, however many are named
 * @param now ms since 1970
 */
export function createWebhookReceipts(
  served: (host: string) => boolean,
  now: () => number,
): WebhookReceipts {
  const hosts = new Map<string, Host>();
  const refused: { count: number; at: number | null; clockOffset: number | null } = {
    count: 0,
    at: null,
    clockOffset: null,
  };
  const failed: { count: number; at: number | null; reason: string | null } = {
    count: 0,
    at: null,
    reason: null,
  };
  const offset = (sentAt: number): number => Math.round(sentAt - now() / 1000);

  return {
    accepted(events, sentAt) {
      const seen = new Set<string>();
      for (const event of events) {
        const { data } = Glance.safeParse(event);
        if (!data || !served(data.host)) continue;
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
    refused(sentAt) {
      refused.count += 1;
      refused.at = now();
      refused.clockOffset = Number.isFinite(sentAt) ? offset(sentAt) : null;
    },
    failed(error) {
      failed.count += 1;
      failed.at = now();
      failed.reason = messageOf(error).slice(0, 300);
    },
    view: () => ({ hosts: Object.fromEntries(hosts), refused, failed }),
  };
}
