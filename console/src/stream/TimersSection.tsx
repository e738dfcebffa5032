/** The timers behind a step, and what the fact did to them. */
import type { State, TimerChange } from '../api/debugger.ts';
import { absolute } from '../times.ts';
import { dueText, type TimerLine, timerLines } from './timer-lines.ts';

export function TimersSection({
  state: { timers, held },
  changes,
  at,
}: {
  readonly state: State;
  readonly changes: readonly TimerChange[];
  /** Time of the fact, in ms since 1970. */
  readonly at: number;
}) {
  const lines = timerLines(timers, changes);
  return (
    <section aria-labelledby="timers-heading" className="panel">
      <h2 id="timers-heading">Timers</h2>
      {lines.length === 0 ? (
        <p className="quiet">None is pending.</p>
      ) : (
        <table className="wide">
          <thead>
            <tr>
              <th scope="col">Timer</th>
              <th scope="col">Due</th>
              <th scope="col">After this fact</th>
              <th scope="col">By this fact</th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr
                key={line.id}
                className={line.due === null ? 'removed' : undefined}
                data-timer={line.id}
              >
                <th scope="row" title={line.id}>
                  {line.name}
                </th>
                <td>{absolute(line.due ?? line.before ?? 0, { millis: true })}</td>
                <td>{line.due === null ? '' : dueText(line.due - at, held.includes(line.id))}</td>
                <td>{did(line)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function did({ did: what, before }: TimerLine) {
  if (what === null) return '';
  if (what !== 'moved')
    return <span className={`mark ${what === 'armed' ? 'added' : 'removed'}`}>{what}</span>;
  return (
    <>
      <span className="mark changed">moved</span> from {absolute(before ?? 0, { millis: true })}
    </>
  );
}
