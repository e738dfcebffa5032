/** What operators read when the address of a visitor in their chat has changed. */

/** @param jid the new address */
export const movedText = (jid: string): string =>
  `This conversation goes on at ${jid}. What you write here reaches the visitor too.`;
