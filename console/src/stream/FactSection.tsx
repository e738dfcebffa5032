/** The fact of a step, with its envelope. */
import type { Json, Path } from '../api/debugger.ts';
import { to } from '../route.ts';
import { Link } from '../router.tsx';
import { absolute } from '../times.ts';
import { Time } from '../ui/time.tsx';
import { Erased } from '../ui/words.tsx';
import { treeOf } from './context-tree.ts';
import type { Row } from './stream-data.ts';
import { Fold, Parts, Plain } from './Value.tsx';
import { whoOf, whoText } from './who.ts';

const NO_CHANGES: readonly { readonly path: Path }[] = [];

export function FactSection({
  stream,
  row,
  isReal,
}: {
  readonly stream: string;
  readonly row: Row;
  readonly isReal: boolean;
}) {
  const { event, revision, unfit } = row;
  const { type, data, personal, erased, metadata, id } = event;
  return (
    <section aria-labelledby="fact-heading" className="panel">
      <h2 id="fact-heading">
        <span className="quiet">
          {isReal ? `Fact ${revision}` : `Not real: would be fact ${revision}`}
        </span>{' '}
        {type}
      </h2>
      <p className="quiet">
        <Time at={metadata.at} long millis /> · by <bdi>{whoText(whoOf(event, stream))}</bdi>
        {metadata.machine && ` · decided by ${metadata.machine}`}
      </p>
      {unfit && (
        <div className="failure" role="note">
          <p>
            <strong>This fact does not fit the machine of this version.</strong> {unfit.reason}. The
            state stays as it was.
          </p>
        </div>
      )}
      <h3>Data</h3>
      <JsonView value={data} empty="No data." />
      {(personal !== null || erased) && (
        <>
          <h3>Personal data</h3>
          {erased ? <Erased /> : <JsonView value={personal} empty="Nothing." />}
        </>
      )}
      {isReal && (
        <Fold summary="Envelope">
          <dl className="envelope">
            <Entry name="id" value={id} href={to.trace(id)} />
            {Object.entries(metadata).map(([name, value]) => (
              <Entry key={name} name={name} value={value as Json} href={linkOf(name, value)} />
            ))}
          </dl>
        </Fold>
      )}
    </section>
  );
}

/** What has a trace. */
const TRACED: ReadonlySet<string> = new Set([
  'commandId',
  'correlationId',
  'causationId',
  'traceId',
]);

const linkOf = (name: string, value: unknown): string | null =>
  TRACED.has(name) && typeof value === 'string' ? to.trace(value) : null;

const TIMES: ReadonlySet<string> = new Set(['at', 'wakeAt']);

function Entry({
  name,
  value,
  href,
}: {
  readonly name: string;
  readonly value: Json;
  readonly href: string | null;
}) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {href !== null ? (
          <Link href={href}>
            <bdi>{String(value)}</bdi>
          </Link>
        ) : TIMES.has(name) && typeof value === 'number' ? (
          absolute(value, { millis: true })
        ) : (
          <JsonView value={value} empty="" />
        )}
      </dd>
    </>
  );
}

/** JSON that nothing was changed in. */
export function JsonView({ value, empty }: { readonly value: Json; readonly empty: string }) {
  const { parts } = treeOf(value, NO_CHANGES);
  if (!parts) return <Plain value={value} />;
  if (parts.length === 0) return <p className="quiet">{empty}</p>;
  return <Parts parts={parts} folding="open" />;
}
