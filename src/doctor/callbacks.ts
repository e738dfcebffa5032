/**
 * Whether a tenant's LHC takes callbacks, of a tenant that TENANTS_FILE declares. In the xmppservice flavour LHC gets a
 * sign of life of nobody, which its extension answers with 200 and an empty body.
 */
import { callbackEndpoint } from '../actors/tenant/callback-endpoint.ts';
import type { TenantSettings } from '../actors/tenant/settings.ts';
import { judgePing, pingLhc } from '../lhc/callback-test.ts';
import { testRest } from '../lhc/rest-test.ts';
import { type Check, warning } from './check.ts';
import { judgeClock } from './clock.ts';
import { judgeEncryption } from './ejabberd-api.ts';
import type { PostingService } from './service.ts';
import { otherCallbackCheck } from './tenants.ts';

export const callbackCheck = (tenant: TenantSettings): Check => ({
  name: `callback ${tenant.id}`,
  async run() {
    const { callbackUrl, callbackSecret, callbackFlavour } = tenant;
    if (!callbackUrl) {
      return [
        warning(
          'there is no callbackUrl: LHC gets no callbacks, so no message of an operator reaches a visitor',
          'set callbackUrl and callbackSecret of the tenant, unless LHC asks by itself',
        ),
      ];
    }
    const result = await pingLhc(tenant.id, callbackEndpoint(tenant, callbackUrl, true), {
      userAgent: 'xmpp-chat doctor',
    });
    const { clockOffset } = result;
    return [
      ...(callbackFlavour === 'native' && callbackSecret === undefined ? [UNSIGNED] : []),
      ...judgeEncryption(callbackUrl, 'messages of visitors and operators'),
      judgePing(result),
      ...(clockOffset === null ? [] : [judgeClock("this tenant's LHC", clockOffset)]),
    ];
  },
});

/**
 * The REST API of an LHC without the extension. The running service knows whether LHC's webhooks come; without one the
 * doctor asks LHC itself.
 */
export const restCheck = (
  service: Pick<PostingService, 'post'>,
  tenant: TenantSettings & { readonly callbackUrl: string },
): Check => ({
  name: `callback ${tenant.id}`,
  async run(signal) {
    const { callbackUrl } = tenant;
    const answered = await otherCallbackCheck(service, tenant).run(signal);
    if (answered.length > 0) return answered;
    const { rest, ...endpoint } = callbackEndpoint(tenant, callbackUrl, true);
    if (!rest) return [];
    const options = { userAgent: 'xmpp-chat doctor' };
    const { status, message, advice } = await testRest({ ...endpoint, rest }, options, undefined);
    return [
      ...judgeEncryption(callbackUrl, 'messages of visitors and operators, and the REST key'),
      { status, message, ...(advice !== undefined && { advice }) },
    ];
  },
});

const UNSIGNED = warning(
  'there is no callbackSecret: callbacks are not signed, and LHC cannot tell them from forged ones',
  "set callbackSecret to whsec_ and base64 (head -c 24 /dev/urandom | base64 | sed s/^/whsec_/), and LHC's to the same",
);
