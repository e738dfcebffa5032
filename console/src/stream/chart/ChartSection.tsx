/** The state chart of the actor at a step: drawn, and in words. */
import { useEffect, useMemo, useState } from 'react';
import type { Json, Machine, Taken } from '../../api/debugger.ts';
import { Fold } from '../Value.tsx';
import { activeIds, type RegionNow, regionsNow, shortName } from './active.ts';
import { type Drawing, everywhere, layOut, textOf } from './layout.ts';
import { RegionChart } from './RegionChart.tsx';

/** Drawings do not depend on the step. By the machine's version and kind. */
const drawings = new Map<string, Promise<readonly (Drawing | null)[]>>();

function drawingsOf({ version, regions }: Machine): Promise<readonly (Drawing | null)[]> {
  const known = drawings.get(version);
  if (known) return known;
  const made = Promise.all(regions.map(layOut));
  drawings.set(version, made);
  made.catch(() => drawings.delete(version)); // the part with the layout did not come: the next step tries again
  return made;
}

export function ChartSection({
  machine,
  value,
  taken,
}: {
  readonly machine: Machine;
  readonly value: Json;
  readonly taken: readonly Taken[];
}) {
  const [drawn, setDrawn] = useState<readonly (Drawing | null)[] | 'failed'>([]);
  useEffect(() => {
    let isHere = true;
    drawingsOf(machine).then(
      (result) => isHere && setDrawn(result),
      () => isHere && setDrawn('failed'),
    );
    return () => {
      isHere = false;
    };
  }, [machine]);

  const active = useMemo(() => activeIds(machine, value), [machine, value]);
  const takenIds = useMemo(() => new Set(taken.map(({ id }) => id)), [taken]);
  const regions = regionsNow(machine, active, taken);
  const inAll = everywhere(machine);
  return (
    <section aria-labelledby="chart-heading" className="panel chart">
      <h2 id="chart-heading">State</h2>
      <ul className="now">
        {regions.map((now) => (
          <li key={now.region.id} data-region={now.name}>
            <RegionInWords now={now} />
          </li>
        ))}
        {inAll.some(({ transition }) => takenIds.has(transition.id)) && (
          <li>
            <span className="quiet">in every state</span>
            {inAll
              .filter(({ transition }) => takenIds.has(transition.id))
              .map(({ transition, text }) => (
                <span key={transition.id} className="chip taken">
                  {text}
                </span>
              ))}
          </li>
        )}
      </ul>
      {drawn === 'failed' ? (
        <p className="note">The chart cannot be drawn: its part of the console did not load.</p>
      ) : (
        <div className="drawings">
          {regions.map((now, index) => {
            const drawing = drawn[index];
            return (
              drawing && (
                <RegionChart
                  key={now.region.id}
                  now={now}
                  drawing={drawing}
                  active={active}
                  taken={takenIds}
                />
              )
            );
          })}
        </div>
      )}
      {inAll.length > 0 && (
        <Fold summary="Accepted in every state">
          <ul className="in-all">
            {inAll.map(({ transition, text }) => (
              <li key={transition.id} className={takenIds.has(transition.id) ? 'taken' : undefined}>
                {text}
              </li>
            ))}
          </ul>
        </Fold>
      )}
      <Fold summary="The chart in words">
        {regions.map((now) => (
          <RegionText key={now.region.id} now={now} active={active} taken={takenIds} />
        ))}
      </Fold>
    </section>
  );
}

/** `presence: online, by PageViewed` */
function RegionInWords({ now: { name, active, taken } }: { readonly now: RegionNow }) {
  return (
    <>
      <span className="quiet">{name}</span> <strong>{active.join(', ') || 'no state'}</strong>
      {taken.map(({ taken: each, transition }) => (
        <span key={each.id} className="chip taken">
          {each.from === each.to
            ? textOf(transition)
            : `${shortName(each.from)} → ${shortName(each.to)}: ${textOf(transition)}`}
        </span>
      ))}
    </>
  );
}

function RegionText({
  now: { region, name },
  active,
  taken,
}: {
  readonly now: RegionNow;
  readonly active: ReadonlySet<string>;
  readonly taken: ReadonlySet<string>;
}) {
  return (
    <>
      <h3>{name}</h3>
      <ul>
        {region.states.map((state) => (
          <li key={state.id}>
            {active.has(state.id) ? <strong>{state.name} (active)</strong> : state.name}
            {state.initial && ' (initial)'}
            <ul>
              {region.transitions
                .filter(({ from }) => from === state.id)
                .map((each) => (
                  <li key={each.id}>
                    {textOf(each)}
                    {each.to !== each.from && ` → ${shortName(each.to)}`}
                    {each.emits.length > 0 && `, calls for ${each.emits.join(', ')}`}
                    {taken.has(each.id) && <strong> (taken)</strong>}
                  </li>
                ))}
            </ul>
          </li>
        ))}
      </ul>
    </>
  );
}
