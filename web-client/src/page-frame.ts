/** What is around the conversations: the name of the page, and the number of unread messages. */
import type { PageSettings } from '../../src/http/web-client/page.ts';
import type { ConversePrivate } from './converse.min.js';

/** The tenant's name above the form, and no sponsors below it: Converse.js would load their pictures from another site. */
export function nameThePage({ api, VERSION_NAME }: ConversePrivate, { title }: PageSettings): void {
  class Brand extends HTMLElement {
    connectedCallback(): void {
      const heading = document.createElement('h1');
      heading.className = 'page-title';
      heading.textContent = title;
      this.replaceChildren(heading);
    }
  }
  class Footer extends HTMLElement {
    connectedCallback(): void {
      const link = document.createElement('a');
      link.href = 'https://github.com/conversejs/converse.js';
      link.rel = 'noopener noreferrer';
      link.target = '_blank';
      link.textContent = `Converse.js ${VERSION_NAME.replace(/^v/, '')}`;
      this.replaceChildren(link, ' (MPL-2.0)');
    }
  }
  class Nothing extends HTMLElement {}
  api.elements.define('converse-brand-logo', Brand);
  api.elements.define('converse-footer', Footer);
  api.elements.define('converse-controlbox-navbar', Nothing);
}

/** The number of unread messages before the title. */
export function countInTitle({ api, state }: ConversePrivate, { title }: PageSettings): void {
  const count = (): void => {
    const unread = state.chatboxes.models.reduce(
      (sum, chat) => sum + Number(chat.get('num_unread') ?? 0),
      0,
    );
    document.title = unread > 0 ? `(${unread}) ${title}` : title;
  };
  api.listen.on('chatBoxesInitialized', () => {
    for (const event of ['change:num_unread', 'add', 'remove', 'reset']) {
      state.chatboxes.on(event, count);
    }
  });
}
