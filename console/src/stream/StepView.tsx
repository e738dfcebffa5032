/** Everything about one step. */
import type { Machine } from '../api/debugger.ts';
import { CausesSection } from './CausesSection.tsx';
import { ContextSection } from './ContextSection.tsx';
import { ChartSection } from './chart/ChartSection.tsx';
import { EffectsSection, FollowingEffects } from './EffectsSection.tsx';
import { FactSection } from './FactSection.tsx';
import type { Row } from './stream-data.ts';
import { TimersSection } from './TimersSection.tsx';
import { useSettled } from './use-place.ts';
import type { FollowingEffect } from './what-if/branch.ts';

/** What has to be asked for waits until nobody steps on. */
const SETTLES_MS = 250;

export function StepView({
  stream,
  row,
  machine,
  branch,
}: {
  readonly stream: string;
  readonly row: Row;
  readonly machine: Machine | undefined;
  /** Of a step that is not real. */
  readonly branch: { readonly effects: readonly FollowingEffect[] } | null;
}) {
  const { revision, state, event, taken, changes, timerChanges } = row;
  const settled = useSettled(revision, SETTLES_MS) === revision;
  const { correlationId, at } = event.metadata;
  return (
    <div className={branch ? 'step not-real' : 'step'} data-revision={revision}>
      <div className="step-grid">
        <FactSection stream={stream} row={row} isReal={branch === null} />
        {state && machine && <ChartSection machine={machine} value={state.value} taken={taken} />}
        <div className="step-rest">
          {state && <ContextSection key={revision} context={state.context} changes={changes} />}
          {state && <TimersSection state={state} changes={timerChanges} at={at} />}
          {branch && <FollowingEffects effects={branch.effects} />}
          {!branch && state && settled && <EffectsSection stream={stream} revision={revision} />}
          {!branch && settled && correlationId && (
            <CausesSection
              stream={stream}
              revision={revision}
              correlationId={correlationId}
              at={at}
            />
          )}
        </div>
      </div>
    </div>
  );
}
