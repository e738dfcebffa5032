/** Which facts places report of a visitor. The report is caused by the fact that the attempt serves. */
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { causedBy } from '../../runtime/cause.ts';
import type { Actors } from '../../runtime/ports.ts';
import type { Visitor } from './desired.ts';
import type { LookOf } from './looks.ts';
import type { Work } from './place.ts';

export interface PlaceReports {
  readonly lookOf: LookOf;
  /** ejabberd has an account of the visitor. */
  accountReady(work: Work): Promise<void>;
  /** Operators see the visitor. */
  shown(work: Work): Promise<void>;
  /** They do not any more. Says nothing if that is known. */
  hidden(work: Work): Promise<void>;
}

export function createPlaceReports(actors: Actors, lookOf: LookOf): PlaceReports {
  const send = ({ tenant, key }: Visitor, command: VisitorCommand) =>
    actors.visitor(tenant, key).send(command);

  async function report(
    { visitor, attempt: { fact } }: Work,
    command: VisitorCommand,
  ): Promise<void> {
    await (fact ? causedBy(fact, () => send(visitor, command)) : send(visitor, command));
  }

  return {
    lookOf,
    accountReady: (work) => report(work, { type: 'ReportAccountReady' }),
    shown: (work) => report(work, { type: 'ReportLoggedIn' }),
    async hidden(work) {
      const { tenant, key } = work.visitor;
      const state = await actors.visitor(tenant, key).state();
      if (!state?.context.loggedIn) return;
      await report(work, { type: 'ReportLoggedOut', reason: 'not shown' });
    },
  };
}
