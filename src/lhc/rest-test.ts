/**
 * Whether the REST API of an LHC without the extension lets the service in, and whether LHC's webhooks come
 * (docs/lhc-without-extension.md). The doctor asks, and POST …/callback-test.
 */
import { type CallbackGuard, createCallbackGuard, NOTHING_ALLOWED } from './callback-guard.ts';
import { CALLBACK_WARNING_MS, PING_DEADLINE_MS, type PingJudgement } from './callback-test.ts';
import { createRestApi, type RestAccess } from './rest-api.ts';
import { createRestChats } from './rest-chats.ts';

export interface RestTest extends PingJudgement {
  /** null without an answer. */
  readonly httpStatus: number | null;
  /** The other clock minus ours, in seconds; null without a Date header. */
  readonly clockOffset: number | null;
  readonly tookMs: number;
}

/** LHC's user 0 does not exist, and LHC looks for the right first. */
const NO_SUCH_USER = 0;

/**
 * Asks two questions that change nothing. Never throws.
 * @param lastWebhookAt ms since 1970; null if no webhook has come; undefined if nobody knows
 */
export async function testRest(
  access: RestAccess,
  {
    guard = createCallbackGuard(NOTHING_ALLOWED),
    userAgent = 'xmpp-chat',
  }: { guard?: CallbackGuard; userAgent?: string },
  lastWebhookAt: number | null | undefined,
): Promise<RestTest> {
  let response: Response | undefined;
  const from = Date.now();
  const ask = createRestApi({
    fetch: globalThis.fetch,
    guardedFetch: guard.fetch,
    timeoutMs: PING_DEADLINE_MS / 2,
    userAgent,
    now: Date.now,
    onAnswer: (answer) => {
      response ??= answer;
    },
  });
  const key = await createRestChats(ask).probe(access);
  const tookMs = Date.now() - from;
  const date = Date.parse(response?.headers.get('date') ?? '');
  const about = {
    httpStatus: response?.status ?? null,
    clockOffset: Number.isNaN(date) ? null : (date - Date.now()) / 1000,
    tookMs,
  };
  if (key.kind === 'away') {
    return {
      ...about,
      status: 'problem',
      message: `LHC's REST API does not answer: ${key.reason}`,
      advice:
        'is LHC up? callbackUrl is its address; without URL rewriting it ends with /index.php',
    };
  }
  if (key.kind === 'error') {
    return {
      ...about,
      status: 'problem',
      message: `LHC's REST API refuses the key: ${key.text}`,
      advice:
        "compare restUser and restKey with LHC's REST API keys, and the key's IP restrictions with the service's address. Its user needs the right lhchat, use",
    };
  }
  const alive = await ask(access, { view: `updatelastactivity/${NO_SUCH_USER}` });
  if (alive.kind === 'error' && alive.text.includes('updatelastactivity')) {
    return {
      ...about,
      status: 'warning',
      message:
        "LHC's REST API takes the key, whose user lacks a right: operators are not online in LHC",
      advice: 'give the user the right lhrestapi, updatelastactivity',
    };
  }
  if (lastWebhookAt === null) {
    return {
      ...about,
      status: 'warning',
      message: "LHC's REST API takes the key. No webhook of LHC has come since the service started",
      advice:
        'start a chat in LHC and ask again. Chats are found within 15 s without webhooks; docs/lhc-without-extension.md says how webhooks are set up',
    };
  }
  if (tookMs > CALLBACK_WARNING_MS) {
    return {
      ...about,
      status: 'warning',
      message: `LHC's REST API takes the key, but took ${tookMs} ms`,
      advice: 'find out why LHC is slow: each message of an operator takes three of these requests',
    };
  }
  const ago =
    lastWebhookAt === undefined ? '' : `; the last webhook came ${ageOf(lastWebhookAt)} s ago`;
  return { ...about, status: 'ok', message: `LHC's REST API takes the key, in ${tookMs} ms${ago}` };
}

const ageOf = (at: number): number => Math.max(0, Math.round((Date.now() - at) / 1000));
