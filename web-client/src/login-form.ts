/** The form of the login, and the way back to it. */
import type { PageSettings } from '../../src/http/web-client/page.ts';
import type { Converse, ConversePrivate, Element, LoginForm } from './converse.min.js';
import { localPartOf } from './login.ts';

/** How names begin under which Converse.js stores something. */
const STORED = 'converse';

/**
 * A username is enough, whatever the tenant's addresses are.
 *
 * Where the device is not trusted, Converse.js removes the form together with what it forgets, so a wrong password would lead
 * to an empty page (findings/converse-wrong-password-empties-page.sh): the form is brought back, as it was.
 */
export function completeUsernames(
  { api, state, exports }: ConversePrivate,
  settings: PageSettings,
): void {
  const form = api.elements.registry['converse-login-form']?.prototype as LoginForm | undefined;
  if (!form) return;
  let typed = '';
  const { onLoginFormSubmitted } = form;
  form.onLoginFormSubmitted = function (this: LoginForm, event: SubmitEvent) {
    event.preventDefault();
    const input = (event.target as HTMLFormElement).querySelector<HTMLInputElement>('[name=jid]');
    if (input) {
      typed = input.value;
      input.value = localPartOf(typed, settings);
    }
    return onLoginFormSubmitted.call(this, event);
  };
  api.listen.on('disconnected', () => {
    // Or the form shows the whole address, and the host beside it.
    api.settings.set('jid', typed);
    if (!state.chatboxes.get('controlbox')) {
      state.chatboxes.add(new exports.ControlBox({ id: 'controlbox' }));
    }
  });
}

/** A way out that is always there: Converse.js has one behind the profile. */
export function addLogOut({ api, __ }: ConversePrivate, { env: { html } }: Converse): void {
  const buttons = api.elements.registry['converse-controlbox-buttons']?.prototype;
  if (!buttons) return;
  const logOut = async (): Promise<void> => {
    const isMeant = await api.confirm(__('Confirm'), __('Are you sure you want to log out?'));
    if (isMeant) await api.user.logout();
  };
  const { render } = buttons;
  buttons.render = function (this: Element) {
    const button = html`<button class="page-log-out" type="button" @click=${logOut}>${__('Log out')}</button>`;
    return html`<div class="d-flex">${render.call(this)}${this.model.get('connected') ? button : ''}</div>`;
  };
  api.listen.on('logout', () => {
    // Converse.js leaves the list of contacts there.
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(STORED)) sessionStorage.removeItem(key);
    }
    // The page begins anew, with nothing left in its memory.
    location.reload();
  });
}
