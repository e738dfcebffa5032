/**
 * Whether a tenant's LHC takes callbacks. It gets one of type `doctor.ping`, signed like all others and without data. A
 * receiver has to answer 2xx to types that it does not know. On the xmppservice wire it is a sign of life of an account
 * that LHC does not know. The doctor sends it, and POST …/callback-test.
 */
import { newId } from '../kit/id.ts';
import { type CallbackClientOptions, createCallbackClient } from './callback-client.ts';
import type { CallbackEndpoint, DeliveryOutcome } from './delivery.ts';

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

/** Sends the ping once. It takes {@link PING_DEADLINE_MS} at most, and never throws. */
export async function pingLhc(
  tenant: string,
  endpoint: CallbackEndpoint,
  options: Pick<CallbackClientOptions, 'guard' | 'userAgent'> = {},
): Promise<PingResult> {
  let response: Response | undefined;
  const client = createCallbackClient({
    ...options,
    timeoutMs: PING_DEADLINE_MS,
    onAnswer: (answer) => {
      response = answer;
    },
  });
  const from = Date.now();
  const at = new Date(from).toISOString();
  const callback = { id: newId(), type: 'doctor.ping', tenant, at, data: {} } as const;
  const outcome = await client.deliver(endpoint, callback);
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
    return 'redirects are not followed: set callbackUrl to the address that it leads to. LHC also redirects while its extension is off';
  }
  return 'a receiver has to answer 2xx to every callback with a valid signature, also to types that it does not know';
}

/** What to do about an error of the connection, by a part of its text. The first that fits counts. */
const CONNECTION_ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /ENOTFOUND|EAI_AGAIN/,
    'DNS does not know the host of callbackUrl here: correct it, or the name servers',
  ],
  [
    /not on the public Internet|CALLBACK_ALLOW/,
    'callbacks go to the public Internet alone: CALLBACK_ALLOW opens more (docs/security.md)',
  ],
  [
    /ECONNREFUSED/,
    'nothing listens there: is the web server of LHC up, and the port of callbackUrl right?',
  ],
  [
    /certificate|altnames|self-signed/i,
    'the certificate of LHC is not valid for this host, or its issuer is not known here',
  ],
  [/EPROTO|SSL|TLS|wrong version/i, 'TLS fails: does that port speak https:// or http://?'],
  [
    /no answer in time|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Timeout/i,
    'is LHC up, and does a firewall let the service through to it? Callbacks wait and are repeated',
  ],
];
const NO_CONNECTION = 'is LHC up, and is callbackUrl right? Callbacks wait and are repeated';

/** What the answer to the ping means for a person. */
export interface PingJudgement {
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do. Only `ok` has none. */
  readonly advice?: string;
}

export function judgePing({ outcome, status, tookMs }: PingResult): PingJudgement {
  const ms = Math.round(tookMs);
  if (outcome.outcome === 'accepted') {
    if (ms <= CALLBACK_WARNING_MS) {
      return { status: 'ok', message: `LHC takes callbacks, in ${ms} ms` };
    }
    const advice = "find out why LHC is slow: each visitor's callbacks go one after the other";
    return { status: 'warning', message: `LHC takes callbacks, but took ${ms} ms`, advice };
  }
  if (status !== null) {
    return { status: 'problem', message: `LHC answered ${status}`, advice: adviceFor(status) };
  }
  const reason = outcome.outcome === 'retry' ? outcome.reason : 'no answer';
  return {
    status: 'problem',
    message: `LHC does not answer: ${reason}`,
    advice: CONNECTION_ADVICE.find(([text]) => text.test(reason))?.[1] ?? NO_CONNECTION,
  };
}
