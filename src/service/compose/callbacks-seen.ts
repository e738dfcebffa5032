/** How a tenant's callbacks are doing, and what a test of them says: for LHC's back office and the administrator. */
import { callbackEndpoint } from '../../actors/tenant/callback-endpoint.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { CallbackGuard } from '../../lhc/callback-guard.ts';
import { judgePing, pingLhc } from '../../lhc/callback-test.ts';
import { testRest } from '../../lhc/rest-test.ts';
import type { Callbacks } from '../../reactors/lhc/callback-lane.ts';
import { LHC_FILTER } from '../../reactors/lhc/drafts.ts';
import type { Lanes } from '../../runtime/lanes/lanes.ts';
import type { LhcChats } from '../../runtime/lhc-ports.ts';
import type { CallbackState, CallbackTest } from '../../runtime/tenant-ports.ts';

/** Whether LHC takes a tenant's callbacks, as this process sees it. */
export async function callbackState(
  tenant: Tenant,
  callbacks: Pick<Callbacks, 'isPaused'>,
  lanes: Pick<Lanes, 'failures'>,
): Promise<CallbackState> {
  if (tenant.callbackUrl === undefined) return { state: 'off', since: null, reason: null };
  if (await callbacks.isPaused(tenant)) {
    return { state: 'paused', since: null, reason: 'LHC has answered 410' };
  }
  const failure = lanes.failures(LHC_FILTER.name).get(tenant.id);
  if (!failure) return { state: 'ok', since: null, reason: null };
  const { away, since, reason } = failure;
  return { state: away ? 'away' : 'failing', since, reason };
}

/** Sends a ping to a tenant's LHC, as its callbacks go. */
export async function testCallback(
  tenant: Tenant,
  guard: CallbackGuard,
  lhcChats: LhcChats,
): Promise<CallbackTest> {
  const { callbackUrl, source } = tenant;
  if (callbackUrl === undefined) return NO_CALLBACKS;
  const endpoint = callbackEndpoint(tenant, callbackUrl, source === 'file');
  const { rest } = endpoint;
  if (rest) return testRest({ ...endpoint, rest }, { guard }, lhcChats.lastWebhookAt(tenant.id));
  const result = await pingLhc(tenant.id, endpoint, { guard });
  const { status: httpStatus, tookMs, clockOffset } = result;
  const judgement = judgePing(result);
  const isUnsigned = tenant.callbackFlavour === 'native' && tenant.callbackSecret === undefined;
  const unsigned = judgement.status === 'ok' && isUnsigned ? UNSIGNED : {};
  return { ...judgement, ...unsigned, httpStatus, tookMs, clockOffset };
}

const UNSIGNED = {
  status: 'warning',
  message: 'LHC takes callbacks, but they are not signed: LHC cannot tell them from forged ones',
  advice: "set the tenant's callbackSecret, and LHC's to the same",
} as const;

const NO_CALLBACKS: CallbackTest = {
  status: 'warning',
  message: 'there is no callbackUrl: LHC gets no callbacks',
  advice: 'set callbackUrl and callbackSecret of the tenant',
  httpStatus: null,
  tookMs: 0,
  clockOffset: null,
};
