/** What the handlers of operators' messages share. */

import type { Budgets } from './budget.ts';
import type { CarryOut, Ends } from './operator-commands/carry-out.ts';
import type { PeopleOptions } from './people.ts';
import type { SetAside } from './set-aside.ts';

export interface MessageParts extends PeopleOptions {
  readonly setAside: SetAside;
  readonly digestKey: Buffer;
  readonly budgets: Budgets;
  readonly carryOut: CarryOut;
  readonly operatorName: OperatorName;
}

/** An operator's name; null if none is known. */
export type OperatorName = (operator: Ends['operator']) => Promise<string | null>;
