/** Which types of facts the list shows. */
import { countsOf, type Outline } from './outline.ts';

export function TypeFilter({
  outline,
  only,
  set,
}: {
  readonly outline: Outline;
  /** Empty: all of them. */
  readonly only: ReadonlySet<string>;
  readonly set: (only: ReadonlySet<string>) => void;
}) {
  const toggle = (type: string): void => {
    const next = new Set(only);
    if (!next.delete(type)) next.add(type);
    set(next);
  };
  return (
    <details className="filter">
      <summary>Types{only.size > 0 && <span className="chip">{only.size} shown</span>}</summary>
      <fieldset>
        <legend className="visually-hidden">Types of facts to show</legend>
        {countsOf(outline).map(({ type, count }) => (
          <label key={type} className="check">
            <input type="checkbox" checked={only.has(type)} onChange={() => toggle(type)} />
            {type} <span className="quiet">{count}</span>
          </label>
        ))}
      </fieldset>
      {only.size > 0 && (
        <button type="button" className="small" onClick={() => set(new Set())}>
          Show all
        </button>
      )}
    </details>
  );
}
