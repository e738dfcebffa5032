import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { isAdminToken } from '../api/client.ts';
import { asApiError } from '../api/load.ts';
import { type SessionEnd, session } from '../api/session.ts';

const REASONS: Readonly<Record<SessionEnd, string>> = {
  none: '',
  'logged-out': 'You are logged out. The token is deleted from this tab.',
  refused: 'The service does not take the token any more. It may have been changed: log in again.',
};

/** The form for the admin token. A password manager fills it in; it is sent in a header, and never in an address. */
export function LoginPage({ end }: { readonly end: SessionEnd }) {
  const [token, setToken] = useState('');
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const hint = useId();

  useEffect(() => {
    document.title = 'Log in · xmpp-chat';
    field.current?.focus();
  }, []);

  async function logIn(event: FormEvent): Promise<void> {
    event.preventDefault();
    const given = token.trim();
    if (given === '' || busy) return;
    setBusy(true);
    setFault('');
    try {
      if (await isAdminToken(given)) return session.begin(given);
      setFault('This is not the admin token. Look at ADMIN_TOKEN in the settings of the service.');
    } catch (error) {
      setFault(`The token could not be checked: ${asApiError(error).message}.`);
    }
    setBusy(false);
    field.current?.select();
  }

  return (
    <main className="login">
      <h1>xmpp-chat console</h1>
      {REASONS[end] !== '' && <p role="status">{REASONS[end]}</p>}
      <form onSubmit={logIn}>
        {/* Password managers keep a password with a name. */}
        <input
          className="visually-hidden"
          type="text"
          name="username"
          autoComplete="username"
          defaultValue="admin"
          readOnly
          tabIndex={-1}
          aria-hidden="true"
        />
        <label htmlFor="token">Admin token</label>
        <input
          ref={field}
          id="token"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          value={token}
          onChange={(event) => setToken(event.target.value)}
          aria-invalid={fault !== ''}
          aria-describedby={hint}
        />
        <p id={hint} className="quiet">
          <code>ADMIN_TOKEN</code> of the service; <code>make run</code> writes it to{' '}
          <code>data/demo.json</code>. It is kept in this tab until you log out or close it.
        </p>
        {!window.isSecureContext && (
          <p className="chip warn">
            This page came over plain HTTP: whoever is on the way can read the token. Use TLS, or a
            tunnel such as <code>ssh -L 8090:127.0.0.1:8090</code>.
          </p>
        )}
        <p className="fault" role="alert">
          {fault}
        </p>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? 'Checking …' : 'Log in'}
        </button>
      </form>
    </main>
  );
}
