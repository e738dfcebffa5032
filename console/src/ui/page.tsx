/** What every page is made of: its heading, and what it says while there is nothing to show. */
import { type ReactNode, useEffect, useRef } from 'react';
import type { ApiError } from '../api/client.ts';

/** Whether a page was shown before in this tab. */
let wasShown = false;

/** The heading of a page and the title of the tab. It takes the focus when the page opens, so that readers begin there. */
export function PageHeading({
  title,
  children,
}: {
  readonly title: string;
  /** Beside the title: filters and actions. */
  readonly children?: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · xmpp-chat`;
  }, [title]);
  useEffect(() => {
    // Whoever came by a link of the head, or whose place is gone, goes on here. The first page does not take the focus.
    const { activeElement } = document;
    const isFirst = !wasShown;
    wasShown = true;
    if (isFirst || activeElement?.closest('main')) return;
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="page-heading">
      <h1 ref={heading} tabIndex={-1}>
        <bdi>{title}</bdi>
      </h1>
      {children}
    </div>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <p className="note" role="status">
      Loading {what} …
    </p>
  );
}

/** Nothing to show, and what to do then. */
export function Empty({ children }: { readonly children: ReactNode }) {
  return <p className="note">{children}</p>;
}

/** What went wrong, and what to do. */
export function Failure({
  error,
  what,
  retry,
}: {
  readonly error: ApiError;
  /** What could not be shown, as in "the streams". */
  readonly what: string;
  readonly retry?: () => void;
}) {
  return (
    <div className="failure" role="alert">
      <p>
        <strong>Not shown: {what}.</strong> <bdi>{error.message}</bdi>
      </p>
      <p className="quiet">{adviceOf(error)}</p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

function adviceOf({ status, requestId }: ApiError): string {
  const log = requestId === null ? '' : ` The service's log has it under ${requestId}.`;
  if (status === 0) return 'Is the service running, and is the network there?';
  if (status === 404) return 'It may have been cut by retention, or the address is mistyped.';
  if (status === 503) return 'A part of the service is busy or away: try again in a moment.';
  if (status >= 500) return `This is a defect of the service.${log}`;
  return `The service refused the request.${log}`;
}

/** A line that screen readers say when it changes, and nobody sees. */
export function Announcement({ text }: { readonly text: string }) {
  return (
    <p className="visually-hidden" role="status">
      {text}
    </p>
  );
}
