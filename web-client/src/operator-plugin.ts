/** The plugin of Converse.js that makes it the page of an operator. */
import type { PageSettings } from '../../src/http/web-client/page.ts';
import { drawListSeldom, fetchPicturesLate, showStatus } from './contact-list.ts';
import type { Converse } from './converse.min.js';
import { addLogOut, completeUsernames } from './login-form.ts';
import { countInTitle, nameThePage } from './page-frame.ts';
import { keepWhispersPrivate } from './whispers.ts';

/** Its name has to be in `whitelisted_plugins`. */
export const PLUGIN = 'operator';

export function addOperatorPlugin(converse: Converse, settings: PageSettings): void {
  converse.plugins.add(PLUGIN, {
    // It changes elements of these before the browser knows them.
    dependencies: ['converse-rosterview', 'converse-controlbox', 'converse-vcard'],
    initialize() {
      const { _converse } = this;
      drawListSeldom(_converse);
      fetchPicturesLate(_converse);
      showStatus(_converse, converse);
      completeUsernames(_converse, settings);
      addLogOut(_converse, converse);
      keepWhispersPrivate(_converse);
      nameThePage(_converse, settings);
      countInTitle(_converse, settings);
    },
  });
}
