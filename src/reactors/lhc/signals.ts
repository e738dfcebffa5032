/** What the inbox hands on: what is done at once or not at all, and what has to be looked at anew. */
import type { Logger } from 'pino';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import { messageOf } from '../../errors.ts';
import type { InboxSignals, TypingState } from '../../inbox/commands.ts';
import { Lru } from '../../kit/lru.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { OperatorSessions } from '../operators/sessions.ts';
import type { Callbacks } from './lhc-lane.ts';

/** LHC is told that an operator lives at most so often; its own time-out is 300 s (docs/contracts.md). */
const ALIVE_EVERY_MS = 60_000;
/** Of one operator towards one visitor; what comes sooner waits, and the last of it counts. */
const TYPING_EVERY_MS = 1_000;
/** Clients say when their operator pauses, after some seconds to half a minute (XEP-0085 §5.2). */
const LAPSES_MS = 60_000;
const REMEMBERED = 10_000;

/** What LHC was told of an operator who types, and what waits to be told. */
interface Typed {
  told: TypingState | null;
  at: number;
  next: TypingState | null;
  lapse?: NodeJS.Timeout;
}

export function createSignals(options: {
  actors: Actors;
  tenants: TenantDirectory;
  callbacks: Callbacks;
  operatorSessions: OperatorSessions;
  /** Compares visitors' accounts and groups with ejabberd. */
  compare: () => Promise<void>;
  now: () => number;
  logger: Logger;
  /** How long an operator types of whom nothing more is heard. Default 60 s. */
  lapsesMs?: number;
}): InboxSignals {
  const { actors, tenants, callbacks, operatorSessions, now, logger } = options;
  const { lapsesMs = LAPSES_MS } = options;
  const last = new Lru<number>(REMEMBERED);
  const typed = new Lru<Typed>(REMEMBERED);

  /** Whether it is time again for this. */
  function due(what: string, everyMs: number): boolean {
    if (now() - (last.get(what) ?? 0) < everyMs) return false;
    last.set(what, now());
    return true;
  }

  /**
   * A state that is left out for good would stand at LHC until the next: somebody types who has stopped. So would that of
   * a client that dies while its operator types.
   */
  function latest(what: string, state: TypingState, tell: (state: TypingState) => void): void {
    const known = typed.get(what) ?? { told: null, at: Number.NEGATIVE_INFINITY, next: null };
    typed.set(what, known);
    const show = (shown: TypingState): void => {
      clearTimeout(known.lapse);
      Object.assign(known, { told: shown, at: now(), next: null });
      tell(shown);
      if (shown === 'composing') known.lapse = setTimeout(show, lapsesMs, 'paused').unref();
    };
    if (known.next !== null) {
      known.next = state;
      return;
    }
    const wait = known.at + TYPING_EVERY_MS - now();
    if (wait <= 0) show(state);
    else if (known.told !== state) {
      known.next = state;
      setTimeout(
        () => {
          if (known.next !== known.told && known.next !== null) show(known.next);
          known.next = null;
        },
        Math.min(wait, TYPING_EVERY_MS),
      ).unref(); // a clock may be set back
    }
  }

  function atOnce(deed: Promise<unknown>, what: string): void {
    deed.catch((error) => logger.debug({ reason: messageOf(error) }, `${what} not told`));
  }

  return {
    async moduleStarted(name, hook) {
      const concerned = tenants.ofHost(name).map(({ id }) => id);
      await operatorSessions.compareAll(concerned, true, hook);
      atOnce(options.compare(), 'comparison'); // it waits for ejabberd by itself
    },
    operatorAlive(tenant, username) {
      if (!due(`alive ${tenant} ${username}`, ALIVE_EVERY_MS)) return;
      const at = new Date(now()).toISOString();
      // mod_lhc may tell several processes of it in a minute: LHC sees by the id that it is the same.
      const id = `operator-alive-${tenant}.${username}-${Math.floor(now() / ALIVE_EVERY_MS)}`;
      const tell = callbacks.operator(tenant, username).then((operator) =>
        operator.lhcUserId === null
          ? undefined // LHC knows nothing of somebody who is not registered
          : callbacks.ephemeral(tenant, { type: 'operator.alive', data: { operator, at } }, id),
      );
      atOnce(tell, 'operator.alive');
    },
    operatorTyping(tenant, visitor, username, state) {
      const tell = async (latestState: TypingState) => {
        const chat = (await actors.visitor(tenant, visitor).state())?.context.chat;
        if (chat?.operator !== username) return;
        const operator = await callbacks.operator(tenant, username);
        const data = { visitor, chatId: chat.id, operator, state: latestState };
        await callbacks.ephemeral(tenant, { type: 'operator.typing', data });
      };
      latest(`${tenant} ${visitor} ${username}`, state, (now) =>
        atOnce(tell(now), 'operator.typing'),
      );
    },
  };
}
