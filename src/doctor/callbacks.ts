/**
 * Whether a tenant's LHC takes callbacks: it is sent one of type `doctor.ping`, signed like all the others, that says
 * nothing. A receiver answers 2xx to types that it does not know, and so to this one.
 */
import type { TenantSettings } from '../actors/tenant/machine.ts';
import type { CallbackEndpoint, DeliveryOutcome } from '../lhc/client.ts';
import type { Ping } from '../lhc/types.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { judgeClock } from './clock.ts';
import { isLoopback } from './ejabberd-api.ts';

export interface Delivery {
  readonly outcome: DeliveryOutcome;
  /** null: there was no answer. */
  readonly status: number | null;
  /** The Date header, in ms since 1970. */
  readonly date: number | null;
  readonly tookMs: number;
}

export interface CallbackPorts {
  deliver(endpoint: CallbackEndpoint, ping: Ping): Promise<Delivery>;
  /** ms since 1970 */
  readonly now: () => number;
  readonly newId: () => string;
}

const SLOW_MS = 2_000;

export const callbackCheck = (tenant: TenantSettings, ports: CallbackPorts): Check => ({
  name: `callback ${tenant.id}`,
  async run() {
    const { callbackUrl, callbackSecret } = tenant;
    if (!callbackUrl) {
      return [
        warning(
          'there is no callbackUrl: LHC is told nothing, so no message of an operator reaches a visitor',
          'set callbackUrl and callbackSecret of the tenant, unless LHC asks by itself',
        ),
      ];
    }
    const now = ports.now();
    const delivery = await ports.deliver(
      { url: callbackUrl, secret: callbackSecret },
      {
        id: ports.newId(),
        type: 'doctor.ping',
        tenant: tenant.id,
        at: new Date(now).toISOString(),
        data: {},
      },
    );
    const { date } = delivery;
    return [
      ...judgeSafety(callbackUrl, callbackSecret),
      judgeDelivery(delivery),
      // A Date header has whole seconds.
      ...(date === null ? [] : [judgeClock("this tenant's LHC", (date - ports.now()) / 1000)]),
    ];
  },
});

function judgeSafety(url: string, secret: string | undefined): Finding[] {
  const { protocol, hostname } = new URL(url);
  const findings: Finding[] = [];
  if (secret === undefined) {
    findings.push(
      warning(
        'there is no callbackSecret: callbacks go out unsigned, and LHC cannot tell them from forged ones',
        'set callbackSecret to whsec_ and base64 (head -c 24 /dev/urandom | base64 | sed s/^/whsec_/), the same in LHC',
      ),
    );
  }
  if (protocol === 'http:' && !isLoopback(hostname)) {
    findings.push(
      warning(
        'what visitors and operators write goes over the network in plain (http)',
        'use an https:// callbackUrl',
      ),
    );
  }
  return findings;
}

const ADVICE: Readonly<Record<number, string>> = {
  401: "LHC does not accept the signature: set the tenant's callbackSecret and LHC's to the same, and compare clocks",
  403: "LHC does not accept the signature, or something before it forbids us: set the tenant's callbackSecret and LHC's to the same",
  404: 'nothing is at that path: correct callbackUrl, and see that the extension is switched on in LHC',
  405: 'that path takes no POST: correct callbackUrl',
  410: 'LHC wants no callbacks: they are paused until callbackUrl or callbackSecret changes (docs/operations.md, When LHC answers 410)',
  429: 'LHC, or something before it, limits how often we may come: raise that limit',
};

export function judgeDelivery({ outcome, status, tookMs }: Delivery): Finding {
  const ms = Math.round(tookMs);
  if (outcome.outcome === 'accepted') {
    return ms > SLOW_MS
      ? warning(
          `LHC takes callbacks, but took ${ms} ms`,
          "each visitor's callbacks go one after the other: look at why LHC is slow",
        )
      : ok(`LHC takes callbacks, in ${ms} ms`);
  }
  if (status === null) {
    const reason = outcome.outcome === 'retry' ? outcome.reason : 'no answer';
    return problem(
      `LHC does not answer: ${reason}`,
      'is LHC up, is the host of callbackUrl right, and is its certificate valid? Callbacks wait and are repeated',
    );
  }
  const advice =
    ADVICE[status] ??
    (status >= 500
      ? "look at LHC's log; callbacks wait and are repeated"
      : status >= 300 && status < 400
        ? 'redirects are not followed: set callbackUrl to where it leads'
        : 'a receiver answers 2xx to every callback that is signed rightly, also of a type that it does not know');
  return problem(`LHC answered ${status}`, advice);
}
