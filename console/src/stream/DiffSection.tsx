/** What differs between two steps. */
import type { Change, Difference, Json, Machine, TimerChange } from '../api/debugger.ts';
import { useLoad } from '../api/load.ts';
import { absolute } from '../times.ts';
import { Failure, Loading } from '../ui/page.tsx';
import { withQuery } from '../with-query.ts';
import { activeIds, regionsNow } from './chart/active.ts';
import { lineOf, pathText } from './context-tree.ts';
import { timerName } from './timer-lines.ts';
import { Plain } from './Value.tsx';

const LINE_CHARACTERS = 120;

export function DiffSection({
  stream,
  machine,
  a,
  b,
  end,
}: {
  readonly stream: string;
  readonly machine: Machine | undefined;
  readonly a: number;
  readonly b: number;
  readonly end: () => void;
}) {
  const path = `/debug/streams/${encodeURIComponent(stream)}/diff`;
  const { data, error, reload } = useLoad<Difference>(withQuery(path, { a, b }));
  return (
    <section aria-labelledby="diff-heading" className="panel diff">
      <h2 id="diff-heading">
        From fact {a} to fact {b}
      </h2>
      <button type="button" className="small" onClick={end}>
        End comparing
      </button>
      {error && <Failure error={error} what="the comparison" retry={reload} />}
      {!data && !error && <Loading what="the comparison" />}
      {data && (
        <>
          {machine && <StatesDiff machine={machine} before={data.a.value} after={data.b.value} />}
          <ChangeTable changes={data.changes} timerChanges={data.timerChanges} />
        </>
      )}
    </section>
  );
}

function StatesDiff({
  machine,
  before,
  after,
}: {
  readonly machine: Machine;
  readonly before: Json;
  readonly after: Json;
}) {
  const old = regionsNow(machine, activeIds(machine, before), []);
  const young = regionsNow(machine, activeIds(machine, after), []);
  return (
    <ul className="now">
      {old.map(({ name, active }, index) => {
        const was = active.join(', ');
        const is = young[index]?.active.join(', ') ?? '';
        return (
          <li key={name}>
            <span className="quiet">{name}</span>{' '}
            {was === is ? is : <strong>{`${was} → ${is}`}</strong>}
          </li>
        );
      })}
    </ul>
  );
}

/** Changes of a context and of timers, before and after side by side. */
function ChangeTable({
  changes,
  timerChanges,
}: {
  readonly changes: readonly Change[];
  readonly timerChanges: readonly TimerChange[];
}) {
  if (changes.length + timerChanges.length === 0) {
    return <p className="quiet">Context and timers are the same.</p>;
  }
  return (
    <table className="wide">
      <thead>
        <tr>
          <th scope="col">Part</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ path, before, after }) => (
          <tr key={`${path.join(' ')} ${after === undefined}`}>
            <th scope="row">
              <bdi className="key">{pathText(path)}</bdi>
            </th>
            <td>
              {before === undefined ? (
                <span className="quiet">nothing</span>
              ) : (
                <Short value={before} />
              )}
            </td>
            <td>
              {after === undefined ? (
                <span className="quiet">nothing</span>
              ) : (
                <Short value={after} />
              )}
            </td>
          </tr>
        ))}
        {timerChanges.map(({ id, before, after }) => (
          <tr key={id}>
            <th scope="row" title={id}>
              timer {timerName(id)}
            </th>
            <td>{dueText(before)}</td>
            <td>{dueText(after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const dueText = (at: number | null): string =>
  at === null ? 'not pending' : `due ${absolute(at, { millis: true })}`;

function Short({ value }: { readonly value: Json }) {
  if (value === null || typeof value !== 'object') return <Plain value={value} />;
  return (
    <code title={lineOf(value, 2_000)}>
      <bdi>{lineOf(value, LINE_CHARACTERS)}</bdi>
    </code>
  );
}
