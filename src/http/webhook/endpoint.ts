/**
 * The webhook of mod_lhc: signed batches of events. If the event store is away, mod_lhc sends the batch again
 * (docs/contracts.md). Only src/http/app.ts imports the folder.
 */
import { z } from '@hono/zod-openapi';
import { AppError, hasCode } from '../../errors.ts';
import { type Access, unauthorized } from '../frame/auth.ts';
import { MAX_EVENTS_BYTES, parseJson, readBytes } from '../frame/body.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { bodyLimits } from '../frame/source.ts';
import type { WebhookReceipts } from './receipts.ts';
import { createSignatureCheck, isStale, type WebhookSecret } from './signature.ts';
import { createUnverifiedBodies } from './unverified.ts';

/** Events of a batch at most: the highest `batch_size` of mod_lhc, which posts 100 by default. */
export const MAX_EVENTS = 10_000;

/** The signature covers the body, so the endpoint checks it after the body is read. */
const bySignature: Access<null> = { scheme: 'webhook', authorize: () => null };

/**
 * The headers are looked at first, then a few unverified bodies at a time are read.
 * @param secrets several during a rotation
 */
export function addWebhookEndpoint(
  api: Api,
  secrets: readonly WebhookSecret[],
  receipts: WebhookReceipts,
): void {
  const { inbox, now } = api.deps;
  const check = createSignatureCheck(secrets, now);
  const unverified = createUnverifiedBodies();
  addEndpoint(
    api,
    {
      method: 'post',
      path: '/ejabberd/events',
      operationId: 'takeEvents',
      tag: 'ejabberd',
      summary: 'A batch of events from mod_lhc',
      description: `A JSON array of events of one queue in order, at most ${MAX_EVENTS} and ${MAX_EVENTS_BYTES} bytes. 503 means that the event store is away, or that too many requests wait: send the same again. No event can be the reason.`,
      access: bySignature,
      success: { status: 204, description: 'Every event is durable, set aside or of no use' },
      problems: [400, 408, 413, 503],
    },
    async ({ request, remoteAddress, isBodyHere }) => {
      const sentAt = Number(request.header('webhook-timestamp') ?? Number.NaN);
      const read = async () => {
        const claim = check.claimOf(request);
        return unverified(remoteAddress, isBodyHere, async (ending) => {
          const limits = { ...bodyLimits(api.deps), ending };
          const bytes = await readBytes(request, MAX_EVENTS_BYTES, limits);
          return { bytes, hosts: check.verify(claim, bytes) };
        });
      };
      const { bytes, hosts } = await read().catch((error: unknown) => {
        if (hasCode(error, 'unauthorized')) receipts.onRefused(isStale(error) ? sentAt : null);
        throw error;
      });
      let events: unknown[];
      try {
        events = eventsIn(bytes);
        requireHosts(events, hosts);
        await inbox.take(events);
      } catch (error) {
        if (hasCode(error, 'unauthorized')) receipts.onRefused(sentAt);
        else receipts.onFailed(error);
        throw error;
      }
      receipts.onAccepted(events, sentAt);
      return { status: 204 };
    },
  );
}

/** What an event has to say for {@link requireHosts}. The inbox checks the rest. */
const OfHost = z.object({ host: z.string() });

/** @throws {AppError} `unauthorized` if the secret is not for the host of an event */
function requireHosts(events: readonly unknown[], hosts: readonly string[] | null): void {
  if (hosts === null) return;
  for (const event of events) {
    const { data } = OfHost.safeParse(event);
    if (!data || hosts.includes(data.host)) continue;
    throw unauthorized('the secret that signed this batch is not for the host of its events');
  }
}

/**
 * A byte that is not UTF-8 must not hold up what comes behind it.
 * @throws {AppError} `invalid` if it is no JSON array; `too-large` if it has too many events
 */
function eventsIn(bytes: Uint8Array): unknown[] {
  const events: unknown = parseJson(bytes, true);
  if (!Array.isArray(events))
    throw new AppError('invalid', 'the body is not an array', { field: '' });
  if (events.length > MAX_EVENTS) {
    throw new AppError('too-large', `the batch has more than ${MAX_EVENTS} events`);
  }
  return events;
}
