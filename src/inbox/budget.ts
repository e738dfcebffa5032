/**
 * The budget of each operator: how many of their messages and commands the service carries out. mod_lhc has limits of
 * its own in front of its queue. This one is for what costs facts, answers and callbacks, whatever sends it.
 */
import type { TenantId, Username } from '../actors/ids.ts';
import { Lru } from '../kit/lru.ts';
import { type Rate, TokenBucket } from '../kit/token-bucket.ts';

/** Messages and commands of one operator together. */
export const OPERATOR_RATE: Rate = { burst: 200, perSecond: 5 };
/** Questions (`!history`, `!info`, `!help`) of one operator. Each one costs a read and an answer of several lines. */
export const OPERATOR_QUESTION_RATE: Rate = { burst: 40, perSecond: 1 };
/** Operators whose budget is remembered. */
export const BUDGETS_REMEMBERED = 10_000;

/** `first`: the budget is used up just now, and the operator has to be told. `over`: they have been told. */
export type Charge = 'within' | 'first' | 'over';

interface Account {
  readonly all: TokenBucket;
  readonly questions: TokenBucket;
  told: boolean;
}

export interface Budgets {
  /**
   * Charges one message or command.
   * @param at when the operator wrote it, in ms since 1970. What waited in mod_lhc's queue during an outage counts at the
   *   time when it was written, so an outage makes nobody exceed their budget
   */
  charge(tenant: TenantId, username: Username, isQuestion: boolean, at: number): Charge;
}

export function createBudgets(
  rates: { readonly all: Rate; readonly questions: Rate } = {
    all: OPERATOR_RATE,
    questions: OPERATOR_QUESTION_RATE,
  },
): Budgets {
  const accounts = new Lru<Account>(BUDGETS_REMEMBERED);
  return {
    charge(tenant, username, isQuestion, at) {
      const name = `${tenant}.${username}`;
      const account = accounts.get(name) ?? {
        all: new TokenBucket(rates.all),
        questions: new TokenBucket(rates.questions),
        told: false,
      };
      accounts.set(name, account);
      const { all, questions } = account;
      if (account.told && all.hasRecovered(at) && questions.hasRecovered(at)) account.told = false;
      if ((!isQuestion || questions.take(at)) && all.take(at)) return 'within';
      if (account.told) return 'over';
      account.told = true;
      return 'first';
    },
  };
}
