/** The list of visitors: how often it is drawn, what is fetched for it, and what it shows of a visitor. */
import type { Converse, ConversePrivate, Element } from './converse.min.js';

/**
 * How long changes of the list are collected. Converse.js draws the whole list for each stanza: with 300 visitors a login took
 * minutes, and takes seconds so (docs/web-client.md has the measurements).
 */
const LIST_PAUSE_MS = 400;
/** Of a visitor's status, which begins with the state, the page and the place. */
const STATUS_CHARACTERS = 120;

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Draws the list at most so often. Lit lets an element say when it updates. */
export function drawListSeldom({ api }: ConversePrivate): void {
  const list = api.elements.registry['converse-roster']?.prototype;
  if (!list) return;
  const { scheduleUpdate } = list;
  list.scheduleUpdate = async function (this: Element) {
    await delay(LIST_PAUSE_MS);
    return scheduleUpdate.call(this);
  };
}

/**
 * Fetches the picture of a visitor when they are seen, in the list or in a conversation. Converse.js has a setting for that
 * (`lazy_load_vcards`), which does nothing for contacts in 14.0.0, and it fetches the vCard of everybody whose presence comes.
 */
export function fetchPicturesLate({ api, exports, session, state }: ConversePrivate): void {
  const vCard = exports.VCard.prototype;
  const { initialize } = vCard;
  vCard.initialize = function (attributes, options) {
    const isOwn = attributes.jid === session.get('bare_jid');
    return initialize.call(this, attributes, isOwn ? options : { ...options, lazy_load: true });
  };
  const { update } = api.vcard;
  api.vcard.update = async (model, force) => {
    const isOfPresence = typeof model === 'string';
    if (isOfPresence && !state.vcards?.get(model)?.get('vcard_updated')) return undefined;
    return update.call(api.vcard, model, force);
  };
}

/** The first line of a visitor's status, below their name. */
export function showStatus({ api }: ConversePrivate, { env: { html } }: Converse): void {
  const contact = api.elements.registry['converse-roster-contact']?.prototype;
  if (!contact) return;
  const { render } = contact;
  contact.render = function (this: Element) {
    const status = String(this.model.get('status') ?? '').split('\n', 1)[0] ?? '';
    return html`${render.call(this)}<span class="visitor-status">${status.slice(0, STATUS_CHARACTERS)}</span>`;
  };
}
