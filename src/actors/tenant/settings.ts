/** The settings of a tenant: one LHC installation, or one of several on a shared host. */
import { z } from 'zod';
import { Instance, TenantId } from '../ids.ts';
import { POLICIES } from '../operator-selection.ts';
import type { VisitorDelays } from '../visitor/facts.ts';

/** No duration is longer than a year. */
const MAX_SECONDS = 31_536_000;

const seconds = (least: number, fallback: number) =>
  z.number().int().min(least).max(MAX_SECONDS).default(fallback);

/** Enough for a person. A program that writes as an operator may need more. */
export const DEFAULT_OPERATOR_MESSAGES_PER_SECOND = 5;

const policy = z.enum(POLICIES);
/** The capacity of an operator, at most; also of one operator in one department. */
const MAX_CAPACITY = 1_000;
const capacity = z.number().int().min(1).max(MAX_CAPACITY);

const Routing = z.strictObject({
  policy: policy.default('least-loaded'),
  /** Capacity of operators who are registered without a capacity of their own. */
  capacity: capacity.default(5),
  /** By department. `capacity` limits the chats of that department that one operator may have. */
  departments: z
    .record(
      z.string().min(1).max(128),
      z.strictObject({ policy: policy.optional(), capacity: capacity.optional() }),
    )
    .default({}),
});

/** A tenant's settings as TENANTS_FILE has them. Durations are in seconds (docs/configuration.md). */
export const TenantSettings = z.strictObject({
  id: TenantId,
  host: z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'a host is a lower-case domain name'),
  instance: Instance.optional(),
  apiKey: z.string().min(16, 'an API key has at least 16 characters').max(256),
  callbackUrl: z.url({ protocol: /^https?$/ }).optional(),
  callbackSecret: z
    .string()
    .regex(
      /^whsec_[A-Za-z0-9+/=]{24,}$/,
      'a callback secret is whsec_ and base64, 18 bytes or more',
    )
    .optional(),
  hardTimeout: seconds(1, 300),
  cleanupAfter: seconds(1, 86_400),
  invitationTimeout: seconds(1, 120),
  offerTimeout: seconds(1, 60),
  ownerGrace: seconds(0, 60),
  chatIdle: seconds(1, 86_400),
  retention: seconds(60, 15_552_000),
  /** Bounds of what one tenant may take of the service; all are generous (docs/configuration.md). */
  maxOnlineVisitors: z.number().int().min(1).max(1_000_000).default(50_000),
  newVisitorsPerMinute: z.number().int().min(1).max(1_000_000).default(6_000),
  requestsPerSecond: z.number().int().min(1).max(100_000).default(1_000),
  operatorMessagesPerSecond: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(DEFAULT_OPERATOR_MESSAGES_PER_SECOND),
  maxVisibleVisitors: z.number().int().min(1).max(5000).default(1000),
  routing: Routing.prefault({}),
  /** Commands that LHC carries out, without the `!`. Default: the commands of its back office. */
  lhcCommands: z
    .array(z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/))
    .max(100)
    .optional(),
});
export type TenantSettings = z.infer<typeof TenantSettings>;

/** Delays for a visitor's facts, in ms. */
export const delaysOf = (tenant: TenantSettings): VisitorDelays => ({
  hardTimeout: tenant.hardTimeout * 1000,
  cleanupAfter: tenant.cleanupAfter * 1000,
  invitationTimeout: tenant.invitationTimeout * 1000,
  offerTimeout: tenant.offerTimeout * 1000,
  chatIdle: tenant.chatIdle * 1000,
});
