/** What would happen: actions from a step on, and the steps that would follow. Nothing of it is real. */
import type { Machine } from '../../api/debugger.ts';
import { duration } from '../../times.ts';
import { Failure } from '../../ui/page.tsx';
import { ActionForm } from './ActionForm.tsx';
import {
  type Action,
  added,
  type BranchItem,
  type BranchResult,
  endOf,
  MAX_ACTIONS,
  redone,
  stepsOf,
  undone,
  untilNextTimer,
} from './branch.ts';
import { SaveTest } from './SaveTest.tsx';
import type { BranchHandle } from './use-branch.ts';

export function WhatIf({
  stream,
  machine,
  handle,
  chosen,
  choose,
}: {
  readonly stream: string;
  readonly machine: Machine;
  readonly handle: BranchHandle;
  /** Which step of the branch is shown; null: a real one. */
  readonly chosen: number | null;
  readonly choose: (step: number | null) => void;
}) {
  const { branch, result, error, isWorking, set } = handle;
  if (!branch) return null;
  const { revision, actions, undone: back } = branch;
  const isFull = actions.length >= MAX_ACTIONS;
  return (
    <section aria-labelledby="what-if-heading" className="panel what-if" aria-busy={isWorking}>
      <h2 id="what-if-heading" tabIndex={-1}>
        What if <span className="quiet">from fact {revision} on</span>{' '}
        <span className="chip warn">not real</span>
      </h2>
      <p className="quiet">
        Nothing here is stored, and no effect is performed. The branch is kept in this tab until you
        close it.
      </p>
      <div className="buttons">
        <button
          type="button"
          aria-disabled={actions.length === 0}
          onClick={() => {
            choose(null);
            set(undone(branch));
          }}
        >
          Undo
        </button>
        <button type="button" aria-disabled={back.length === 0} onClick={() => set(redone(branch))}>
          Redo
        </button>
        <button
          type="button"
          onClick={() => {
            choose(null);
            set(null);
          }}
        >
          Close the branch
        </button>
      </div>
      {error && (
        <Failure
          error={error}
          what="the branch"
          {...(actions.length > 0 && { retry: () => set({ ...branch }) })}
        />
      )}
      <div className="what-if-columns">
        {result && (
          <BranchList result={result} revision={revision} chosen={chosen} choose={choose} />
        )}
        {isFull ? (
          <p className="note">A branch has {MAX_ACTIONS} actions at most.</p>
        ) : (
          <ActionForm
            machine={machine}
            context={result ? endOf(result).state.context : undefined}
            nextTimer={result && untilNextTimer(result)}
            add={(action) => set(added(branch, action))}
          />
        )}
      </div>
      {result && actions.length > 0 && (
        <SaveTest stream={stream} revision={revision} test={result.test} />
      )}
    </section>
  );
}

function BranchList({
  result,
  revision,
  chosen,
  choose,
}: {
  readonly result: BranchResult;
  readonly revision: number;
  readonly chosen: number | null;
  readonly choose: (step: number | null) => void;
}) {
  const steps = stepsOf(result);
  const indexOf = (item: BranchItem): number => steps.findIndex((each) => each.item === item);
  return (
    <ol className="branch" aria-label="Actions and the steps that would follow">
      <li>
        <button
          type="button"
          className="branch-step"
          aria-current={chosen === null ? 'step' : undefined}
          onClick={() => choose(null)}
        >
          Fact {revision} (real)
        </button>
      </li>
      {result.items.map((item, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: actions are only added and taken away at the end
        <li key={place}>
          <strong>{actionText(item.action)}</strong>
          {item.refused && (
            <p className="refused">
              <span className="chip bad">refused</span> <bdi>{item.refused.reason}</bdi>{' '}
              <span className="quiet">{item.refused.code}</span>
            </p>
          )}
          {!item.refused && item.steps.length === 0 && <p className="quiet">Nothing happens.</p>}
          {item.steps.length > 0 && (
            <ol>
              {item.steps.map((step, index) => {
                const at = indexOf(item) + index;
                return (
                  <li key={step.revision}>
                    <button
                      type="button"
                      className="branch-step"
                      aria-current={chosen === at ? 'step' : undefined}
                      onClick={() => choose(at)}
                    >
                      {step.revision} {step.event.type}
                    </button>
                  </li>
                );
              })}
            </ol>
          )}
        </li>
      ))}
    </ol>
  );
}

function actionText(action: Action): string {
  if ('wait' in action) return `Wait ${duration(action.wait)}`;
  if ('fact' in action) return `Fact ${action.fact.type}`;
  return `Command ${String(action.command.type ?? '')}`;
}
