/** The settings of a tenant: one LHC installation, or one of several on a shared host. */
import { z } from 'zod';
import { isBearerToken, NO_BEARER_TOKEN } from '../../kit/bearer.ts';
import { fetchFault } from '../../kit/fetch-url.ts';
import { isWebhookSecret, WEBHOOK_SECRET_FORM } from '../../kit/webhook-key.ts';
import { Instance, TenantId, TRANSPORTS } from '../ids.ts';
import { MAX_NAME_CHARACTERS } from '../input-text.ts';
import type { VisitorDelays } from '../visitor/facts.ts';
import { FileSettings } from './file-settings.ts';
import { count, MAX_SECONDS } from './numbers.ts';
import { Routing } from './routing-settings.ts';
import { WebClient } from './web-client-settings.ts';

const seconds = (least: number, fallback: number) =>
  count('seconds', least, MAX_SECONDS).default(fallback);

/** Enough for a person. A program that writes as an operator may need more. */
export const DEFAULT_OPERATOR_MESSAGES_PER_SECOND = 5;

/** How LHC is told: by our callbacks, in the form of the xmppservice wire, or by its own REST API. */
export const CALLBACK_FLAVOURS = ['native', 'xmppservice', 'rest'] as const;
const Presence = z.strictObject({
  /** Whether a visitor who waits has `<show>chat</show>` in the presence. */
  show: z.boolean('has to be true or false, without quotes').default(true),
});

const NodeHelper = z.strictObject({
  enabled: z.boolean('has to be true or false, without quotes').optional(),
  /** The instance in the helper's channels: a number in LHC's automated hosting. */
  instance: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/, 'has to be the number or name between chat_ and the id of a chat')
    .optional(),
});

const CallbackUrl = z
  .url({ protocol: /^https?$/, error: 'has to be a URL with https:// or http://', abort: true })
  .superRefine((url, { addIssue }) => {
    const message = fetchFault(url);
    if (message !== null) addIssue({ code: 'custom', message });
  });

/** A `secret_key` of LHC's xmppservice extension. */
export const LegacySecret = z
  .string()
  .min(8)
  .max(256)
  .regex(/^\P{Cc}*$/u, 'must not have a control character');

/** HTTP ends the name of a user at the first colon (RFC 7617 §2). */
const RestUser = z
  .string()
  .min(1)
  .max(MAX_NAME_CHARACTERS)
  .regex(/^[^:\p{Cc}]*$/u, 'must not have a colon or a control character');

/** A tenant's settings as TENANTS_FILE has them. Durations are in seconds (docs/configuration.md). */
export const TenantSettings = z.strictObject({
  id: TenantId.refine((id) => id !== 'tenants', '"tenants" is reserved'),
  host: z
    .string()
    .max(253)
    .regex(/^(?!.*\.\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'has to be a domain name in lower case'),
  instance: Instance.optional(),
  /** Which accounts visitors have in ejabberd: one each, or none (docs/adr/0056). */
  transport: z.enum(TRANSPORTS, `has to be ${TRANSPORTS.join(' or ')}`).default('accounts'),
  apiKey: z.string().min(16).max(256).refine(isBearerToken, NO_BEARER_TOKEN),
  callbackUrl: CallbackUrl.optional(),
  callbackSecret: z.string().refine(isWebhookSecret, `has to be ${WEBHOOK_SECRET_FORM}`).optional(),
  callbackFlavour: z
    .enum(CALLBACK_FLAVOURS, `has to be one of ${CALLBACK_FLAVOURS.join(', ')}`)
    .default('native'),
  /** The `secret_key` of this tenant's LHC: what its calls of the xmppservice wire prove themselves with. */
  legacySecret: LegacySecret.optional(),
  /** For `rest`: the user of LHC's REST key, the key, and what LHC's webhooks prove themselves with. */
  restUser: RestUser.optional(),
  restKey: LegacySecret.optional(),
  webhookKey: z.string().min(16).max(256).refine(isBearerToken, NO_BEARER_TOKEN).optional(),
  /** LHC's Node helper, if REDIS_URL is set. */
  nodeHelper: NodeHelper.optional(),
  hardTimeout: seconds(1, 300),
  cleanupAfter: seconds(1, 86_400),
  invitationTimeout: seconds(1, 120),
  offerTimeout: seconds(1, 60),
  ownerGrace: seconds(0, 60),
  chatIdle: seconds(1, 86_400),
  retention: seconds(60, 15_552_000),
  /** Bounds of what one tenant may take of the service; all are generous (docs/configuration.md). */
  maxOnlineVisitors: count('visitors', 1, 1_000_000).default(50_000),
  newVisitorsPerMinute: count('visitors a minute', 1, 1_000_000).default(6_000),
  requestsPerSecond: count('requests a second', 1, 100_000).default(1_000),
  operatorMessagesPerSecond: count('messages a second', 1, 10_000).default(
    DEFAULT_OPERATOR_MESSAGES_PER_SECOND,
  ),
  maxVisibleVisitors: count('visitors', 1, 5000).default(1000),
  presence: Presence.prefault({}),
  /** A page with an XMPP client for operators who have none. Default: there is none. */
  webClient: WebClient.optional(),
  routing: Routing.prefault({}),
  files: FileSettings.prefault({}),
  /** Whether the operator of a chat sees what its visitor is typing (docs/security.md). */
  typingPreview: z.boolean('has to be true or false, without quotes').default(false),
  /** Commands that LHC carries out, without the `!`. Default: the commands of its back office. */
  lhcCommands: z
    .array(
      z
        .string()
        .regex(
          /^[a-z][a-z0-9_-]{0,31}$/,
          'has to be a command without its !: a-z, 0-9, _ and -, begins with a letter, at most 32',
        ),
    )
    .max(100)
    .optional(),
});
export type TenantSettings = z.infer<typeof TenantSettings>;

/** The `instance` of a template. No instance is called so. */
export const ANY_INSTANCE = '*';

/** The address of an instance: LHC writes its dots as dashes in the instance's name. */
const addressOf = (instance: string): string => instance.replaceAll('-', '.');

/** A template's address for one instance. */
export const inTemplate = (url: string, instance: string): string =>
  url.replaceAll('{instance}', instance).replaceAll('{address}', addressOf(instance));

/**
 * A template for the instances of a hosting host that are not known yet. It is no tenant: it has no key, and its
 * `callbackUrl` may have `{instance}` and `{address}` in it.
 */
export const TenantTemplate = TenantSettings.omit({ apiKey: true }).extend({
  instance: z.literal(ANY_INSTANCE),
  callbackUrl: z
    .string()
    .superRefine((url, { addIssue }) => {
      const { error } = CallbackUrl.safeParse(inTemplate(url, 'an-instance'));
      for (const { message } of error?.issues ?? []) addIssue({ code: 'custom', message });
    })
    .optional(),
});
export type TenantTemplate = z.infer<typeof TenantTemplate>;

/** Delays for a visitor's facts, in ms. */
export const delaysOf = (
  tenant: Pick<
    TenantSettings,
    'hardTimeout' | 'cleanupAfter' | 'invitationTimeout' | 'offerTimeout' | 'chatIdle'
  >,
): VisitorDelays => ({
  hardTimeout: tenant.hardTimeout * 1000,
  cleanupAfter: tenant.cleanupAfter * 1000,
  invitationTimeout: tenant.invitationTimeout * 1000,
  offerTimeout: tenant.offerTimeout * 1000,
  chatIdle: tenant.chatIdle * 1000,
});
