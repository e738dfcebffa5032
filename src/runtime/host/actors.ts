/** The actors as the rest of the service talks to them: typed by their kind, on top of the host. */
import { type ActorRef, operatorRef, tenantRef, visitorRef } from '../../actors/ids.ts';
import type { ActorState, Core } from '../../actors/machine/decider.ts';
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import { operatorState } from '../../actors/operator/decisions.ts';
import { tenantState } from '../../actors/tenant/machine.ts';
import { visitorState } from '../../actors/visitor/decisions.ts';
import type { Actor, Actors, ActorView } from '../ports.ts';
import type { ActorHost } from './host.ts';

type Host = Pick<ActorHost, 'dispatch' | 'load' | 'latest'>;

/** Makes one view for each state, so that callers can keep what they derive from it beside it (WeakMap). */
function createViews<State>(read: (core: Core) => State) {
  const views = new WeakMap<Core, ActorView<State>>();
  return (state: ActorState | null): ActorView<State> | null => {
    if (!state) return null;
    const { core, seen } = state;
    const known = views.get(core);
    if (known) return known;
    const view = { ...read(core), revision: core.revision, at: core.at, seen };
    views.set(core, view);
    return view;
  };
}

const visitorView = createViews(visitorState);
const operatorView = createViews(operatorState);
const tenantView = createViews(tenantState);

/** @param newId makes the automatic ids of commands that come without one */
export function createActors(host: Host, newId: () => string): Actors {
  const actorOn = <Command extends Parameters<Host['dispatch']>[1], State>(
    ref: ActorRef,
    view: (state: ActorState | null) => ActorView<State> | null,
  ): Actor<Command, State> => ({
    send: (command, origin) =>
      host.dispatch(ref, command, {
        ...origin,
        commandId: origin?.commandId ?? `${AUTOMATIC}${newId()}`,
      }),
    state: () => host.load(ref).then(view),
    latest: () => host.latest(ref).then(view),
  });
  return {
    visitor: (tenant, key) => actorOn(visitorRef(tenant, key), visitorView),
    operator: (tenant, username) => actorOn(operatorRef(tenant, username), operatorView),
    tenant: (tenant) => actorOn(tenantRef(tenant), tenantView),
  };
}
