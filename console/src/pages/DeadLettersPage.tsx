import { useRef, useState } from 'react';
import { ask } from '../api/client.ts';
import { asApiError, useLoad } from '../api/load.ts';
import { usePages } from '../api/pages.ts';
import type { DeadLetter } from '../api/types.ts';
import { to } from '../route.ts';
import { Link, navigate, setQuery, useQuery } from '../router.tsx';
import { Announcement, Empty, Failure, Loading, PageHeading } from '../ui/page.tsx';
import { type Column, VirtualTable } from '../ui/table.tsx';
import { Time } from '../ui/time.tsx';
import { Said } from '../ui/words.tsx';
import { withQuery } from '../with-query.ts';

const PAGE_ROWS = 100;

/** What was given up, in words: `ChatClosed to lhc`. */
const nameOf = ({ kind, type, destination }: DeadLetter): string =>
  kind === 'webhook'
    ? `event from ejabberd: ${type ?? 'gone'}`
    : `${type ?? 'gone'} to ${destination}`;

const COLUMNS: readonly Column<DeadLetter>[] = [
  {
    name: 'What',
    width: 'minmax(12rem, 2fr)',
    cell: (letter) => <Link href={to.deadLetter(letter.id)}>{nameOf(letter)}</Link>,
  },
  { name: 'Tenant', width: '8rem', cell: ({ tenant }) => tenant ?? '' },
  {
    name: 'Stream',
    width: 'minmax(10rem, 1.5fr)',
    cell: ({ stream }) => (
      <Link href={to.stream(stream)} className="mono">
        {stream}
      </Link>
    ),
  },
  { name: 'Reason', width: 'minmax(12rem, 3fr)', cell: ({ reason }) => <bdi>{reason}</bdi> },
  { name: 'Given up', width: '8rem', cell: ({ at }) => <Time at={at} /> },
];

const keyOf = ({ id }: DeadLetter): string => id;

/** @param props.id the letter that is open; null: the list */
export function DeadLettersPage({ id }: { readonly id: string | null }) {
  const [done, setDone] = useState('');
  return (
    <>
      {id === null ? (
        <List />
      ) : (
        <Letter
          key={id}
          id={id}
          onDone={(text) => {
            setDone(text);
            navigate(to.deadLetters(), { replace: true });
          }}
        />
      )}
      <p className={id === null && done !== '' ? 'note' : 'visually-hidden'} role="status">
        {id === null ? done : ''}
      </p>
    </>
  );
}

function List() {
  const tenant = useQuery().get('tenant');
  const pages = usePages<DeadLetter>(
    withQuery('/debug/dead-letters', { tenant, limit: PAGE_ROWS }),
  );
  return (
    <>
      <PageHeading title="Dead letters">
        <button type="button" onClick={pages.reload}>
          Load again
        </button>
        {tenant !== null && (
          <button type="button" onClick={() => setQuery({ tenant: null })}>
            Show all tenants, not only {tenant}
          </button>
        )}
      </PageHeading>
      {pages.error && <Failure error={pages.error} what="the dead letters" retry={pages.reload} />}
      {pages.rows.length > 0 && (
        <VirtualTable
          label="Dead letters"
          columns={COLUMNS}
          rows={pages.rows}
          keyOf={keyOf}
          onNearEnd={pages.more}
        />
      )}
      {pages.loading && <Loading what="dead letters" />}
      {!pages.loading && !pages.error && pages.rows.length === 0 && (
        <Empty>
          There is no dead letter: everything that facts call for was done, or still is tried.
        </Empty>
      )}
      <Announcement text={pages.loading ? '' : `${pages.rows.length} dead letters`} />
    </>
  );
}

/** One letter: what it would do, and what to do with it. @param props.onDone called with what was done */
function Letter({ id, onDone }: { readonly id: string; onDone(text: string): void }) {
  const path = `/debug/dead-letters/${encodeURIComponent(id)}`;
  const letter = useLoad<DeadLetter & { readonly content: unknown }>(path);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState('');
  const dialog = useRef<HTMLDialogElement>(null);

  async function act(method: 'POST' | 'DELETE', address: string, text: string): Promise<void> {
    dialog.current?.close();
    setBusy(true);
    setFault('');
    try {
      await ask(address, { method });
      onDone(text);
    } catch (error) {
      setFault(asApiError(error).message);
      setBusy(false);
    }
  }

  const { data } = letter;
  return (
    <>
      <PageHeading title="Dead letter">
        <Link href={to.deadLetters()}>All dead letters</Link>
      </PageHeading>
      {letter.error && (
        <Failure error={letter.error} what="the dead letter" retry={letter.reload} />
      )}
      {letter.loading && !data && <Loading what="the dead letter" />}
      {data && (
        <>
          <dl className="pairs">
            <dt>What</dt>
            <dd>{nameOf(data)}</dd>
            <dt>Why it was given up</dt>
            <dd>
              <Said text={data.reason} />
            </dd>
            <dt>When</dt>
            <dd>
              <Time at={data.at} long />
            </dd>
            <dt>Tenant</dt>
            <dd>{data.tenant ?? 'none'}</dd>
            <dt>Stream</dt>
            <dd>
              <Link href={to.stream(data.stream)} className="mono">
                {data.stream}
              </Link>
            </dd>
            {data.operator !== null && (
              <>
                <dt>Operator</dt>
                <dd>{data.operator}</dd>
              </>
            )}
            <dt>Id</dt>
            <dd className="mono">{data.id}</dd>
          </dl>
          <h2 id="letter-content">Content</h2>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keys scroll it */}
          <section className="code" aria-labelledby="letter-content" tabIndex={0}>
            <pre>
              <bdi>{JSON.stringify(data.content, null, 2)}</bdi>
            </pre>
          </section>
          <p className="note">
            “Send again” sends it as something new, behind what came later. If it fails again, it
            stays here.
          </p>
          <div className="filters">
            <button
              type="button"
              className="primary"
              disabled={busy}
              onClick={() => act('POST', `${path}/send`, `Sent: ${nameOf(data)}`)}
            >
              {busy ? 'Working …' : 'Send again'}
            </button>
            <button
              type="button"
              className="danger"
              disabled={busy}
              onClick={() => dialog.current?.showModal()}
            >
              Discard …
            </button>
          </div>
          <p className="fault" role="alert">
            {fault}
          </p>
          <dialog ref={dialog} aria-labelledby="discard-title">
            <h2 id="discard-title">Discard this letter?</h2>
            <p>
              Nobody will send <strong>{nameOf(data)}</strong>. The fact itself stays in the log.
            </p>
            <div className="filters">
              <button
                type="button"
                className="danger"
                onClick={() => act('DELETE', path, `Discarded: ${nameOf(data)}`)}
              >
                Discard
              </button>
              <button type="button" onClick={() => dialog.current?.close()}>
                Keep it
              </button>
            </div>
          </dialog>
        </>
      )}
    </>
  );
}
