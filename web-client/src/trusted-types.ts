/**
 * Which texts may become HTML. The policy of the page asks for Trusted Types, so a text that a program writes into the page as
 * HTML has to pass a policy. lit and DOMPurify have their own. All other code comes here: what is not one of these few constant
 * texts of libraries gets its `<` written as text, so nothing that a visitor wrote can ever be an element.
 */

const CONSTANTS = [
  // Sizzle looks at what the browser can do. The numbers are the time.
  /^<a id='sizzle\d+'><\/a><select id='sizzle\d+-\r\\' msallowcapture=''><option selected=''><\/option><\/select>$/,
  /^<a href='' disabled='disabled'><\/a><select disabled='disabled'><option\/><\/select>$/,
  /^<a href='#'><\/a>$/,
  /^<input\/>$/,
  // Bootstrap's frame of an explanation, which it fills with text.
  /^<div class="popover" role="tooltip"><div class="popover-arrow"><\/div><h3 class="popover-header"><\/h3><div class="popover-body"><\/div><\/div>$/,
  // The values of a field in the form of a room: an element that browsers do not know, with text in it.
  /^(<value( xmlns="[\w:/.#-]+")?>[^<>]*<\/value>)+$/,
];

/**
 * @param sink what the text is for, as the browser names it. What DOMParser makes is a document of its own, where nothing
 *   runs: Converse.js reads each stanza so
 */
export function allowedHtml(text: string, sink: string): string {
  if (sink === 'DOMParser parseFromString') return text;
  if (CONSTANTS.some((constant) => constant.test(text))) return text;
  return text.replaceAll('<', '&lt;');
}

interface Policies {
  createPolicy(
    name: string,
    rules: {
      createHTML(text: string, type: string, sink: string): string;
      createScript(): null;
      createScriptURL(): null;
    },
  ): unknown;
}

/** Has to run before anything else makes HTML. A browser without Trusted Types needs none of this. */
export function setDefaultPolicy(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: Policies }; // not yet in lib.dom
  trustedTypes?.createPolicy('default', {
    createHTML: (text, _type, sink) => allowedHtml(text, sink),
    createScript: () => null,
    createScriptURL: () => null,
  });
}
