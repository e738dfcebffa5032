/**
 * Whether a tenant's LHC takes callbacks. It gets one of type `doctor.ping`, signed like all others and without data. A
 * receiver has to answer 2xx to types that it does not know.
 */
import type { TenantSettings } from '../actors/tenant/settings.ts';
import { newId } from '../kit/id.ts';
import { createCallbackClient, type DeliveryOutcome } from '../lhc/callback-client.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { judgeClock } from './clock.ts';
import { judgeEncryption } from './ejabberd-api.ts';

export const PING_DEADLINE_MS = 4_500;
export const CALLBACK_WARNING_MS = 2_000;

export interface PingResult {
  readonly outcome: DeliveryOutcome;
  /** null without an answer. */
  readonly status: number | null;
  /** The other clock minus ours, in seconds; null without a Date header. */
  readonly clockOffset: number | null;
  readonly tookMs: number;
}

export const callbackCheck = (tenant: TenantSettings): Check => ({
  name: `callback ${tenant.id}`,
  async run() {
    const { callbackUrl, callbackSecret } = tenant;
    if (!callbackUrl) {
      return [
        warning(
          'there is no callbackUrl: LHC gets no callbacks, so no message of an operator reaches a visitor',
          'set callbackUrl and callbackSecret of the tenant, unless LHC asks by itself',
        ),
      ];
    }
    const result = await ping(tenant.id, callbackUrl, callbackSecret);
    const { clockOffset } = result;
    return [
      ...(callbackSecret === undefined ? [UNSIGNED] : []),
      ...judgeEncryption(callbackUrl, 'messages of visitors and operators'),
      judgePing(result),
      ...(clockOffset === null ? [] : [judgeClock("this tenant's LHC", clockOffset)]),
    ];
  },
});

const UNSIGNED = warning(
  'there is no callbackSecret: callbacks are not signed, and LHC cannot tell them from forged ones',
  "set callbackSecret to whsec_ and base64 (head -c 24 /dev/urandom | base64 | sed s/^/whsec_/), and LHC's to the same",
);

async function ping(tenant: string, url: string, secret: string | undefined): Promise<PingResult> {
  let response: Response | undefined;
  const client = createCallbackClient({
    timeoutMs: PING_DEADLINE_MS,
    userAgent: 'xmpp-chat doctor',
    fetch: async (...request) => {
      response = await fetch(...request);
      return response;
    },
  });
  const from = Date.now();
  const at = new Date(from).toISOString();
  const callback = { id: newId(), type: 'doctor.ping', tenant, at, data: {} } as const;
  const outcome = await client.deliver({ url, secret }, callback);
  const date = Date.parse(response?.headers.get('date') ?? '');
  return {
    outcome,
    status: response?.status ?? null,
    clockOffset: Number.isNaN(date) ? null : (date - Date.now()) / 1000,
    tookMs: Date.now() - from,
  };
}

const ADVICE: Readonly<Record<number, string>> = {
  401: "LHC does not accept the signature: set the tenant's callbackSecret and LHC's to the same, and compare clocks",
  403: "LHC, or a proxy before it, does not allow the request: set the tenant's callbackSecret and LHC's to the same",
  404: 'there is nothing at that path: correct callbackUrl, and switch the extension on in LHC',
  405: 'that path takes no POST: correct callbackUrl',
  410: 'LHC wants no callbacks: they are paused until callbackUrl or callbackSecret changes (docs/operations.md, When LHC answers 410)',
  429: 'LHC, or a proxy before it, limits our requests: raise that limit',
};

function adviceFor(status: number): string {
  const advice = ADVICE[status];
  if (advice) return advice;
  if (status >= 500) return "look at LHC's log. Callbacks wait and are repeated";
  if (status >= 300 && status < 400) {
    return 'redirects are not followed: set callbackUrl to the address that it leads to';
  }
  return 'a receiver has to answer 2xx to every callback with a valid signature, also to types that it does not know';
}

export function judgePing({ outcome, status, tookMs }: PingResult): Finding {
  const ms = Math.round(tookMs);
  if (outcome.outcome === 'accepted') {
    if (ms <= CALLBACK_WARNING_MS) return ok(`LHC takes callbacks, in ${ms} ms`);
    return warning(
      `LHC takes callbacks, but took ${ms} ms`,
      "find out why LHC is slow: each visitor's callbacks go one after the other",
    );
  }
  if (status !== null) return problem(`LHC answered ${status}`, adviceFor(status));
  const reason = outcome.outcome === 'retry' ? outcome.reason : 'no answer';
  return problem(
    `LHC does not answer: ${reason}`,
    'is LHC up? Is the host of callbackUrl right, and its certificate valid? Callbacks wait and are repeated',
  );
}
