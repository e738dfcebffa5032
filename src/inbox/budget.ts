/**
 * The budget of each operator: how many of their messages and commands the service carries out. mod_lhc has limits of
 * its own in front of its queue. This one is for what costs facts, answers and callbacks, whatever sends it.
 */
import type { TenantId, Username } from '../actors/ids.ts';
import type { TenantDirectory } from '../actors/tenant/directory.ts';
import { DEFAULT_OPERATOR_MESSAGES_PER_SECOND } from '../actors/tenant/settings.ts';
import { Lru } from '../kit/lru.ts';
import { type Rate, TokenBucket } from '../kit/token-bucket.ts';

/** So many seconds' messages may come at once: by default 200. */
export const OPERATOR_BURST_SECONDS = 40;
/** This part of them may be questions (`!history`, `!info`, `!help`). Each one costs a read and an answer of several lines. */
export const QUESTIONS_SHARE = 1 / 5;
/** Operators whose budget is remembered. */
export const BUDGETS_REMEMBERED = 10_000;

/** The rates of one operator. */
export interface OperatorRates {
  /** Messages and commands together. */
  readonly all: Rate;
  readonly questions: Rate;
}

const rateOf = (perSecond: number): Rate => ({
  burst: perSecond * OPERATOR_BURST_SECONDS,
  perSecond,
});

/** @param perSecond as the tenant's `operatorMessagesPerSecond` */
export const operatorRates = (perSecond: number): OperatorRates => ({
  all: rateOf(perSecond),
  questions: rateOf(perSecond * QUESTIONS_SHARE),
});

/** `first`: the budget is used up just now, and the operator has to be told. `over`: they have been told. */
export type Charge = 'within' | 'first' | 'over';

/** The budgets of all operators, as the tenants' settings have them now. */
export const createTenantBudgets = (tenants: Pick<TenantDirectory, 'get'>): Budgets =>
  createBudgets((tenant) =>
    operatorRates(
      tenants.get(tenant)?.operatorMessagesPerSecond ?? DEFAULT_OPERATOR_MESSAGES_PER_SECOND,
    ),
  );

interface Account {
  /** As the tenant's settings had it. */
  readonly perSecond: number;
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

export function createBudgets(ratesOf: (tenant: TenantId) => OperatorRates): Budgets {
  const accounts = new Lru<Account>(BUDGETS_REMEMBERED);
  return {
    charge(tenant, username, isQuestion, at) {
      const name = `${tenant}.${username}`;
      const rates = ratesOf(tenant);
      const known = accounts.get(name);
      const isSame = known?.perSecond === rates.all.perSecond;
      const account = known && isSame ? known : accountWith(rates);
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

const accountWith = ({ all, questions }: OperatorRates): Account => ({
  perSecond: all.perSecond,
  all: new TokenBucket(all),
  questions: new TokenBucket(questions),
  told: false,
});
