/** Reactions as XEP-0444 wants them: emojis of Unicode (UTS #51), each once. */

/** One emoji. Some clients send the older ones, like ❤, without the sign that makes them colourful. */
const EMOJI = /^(?:\p{RGI_Emoji}|\p{Extended_Pictographic})$/v;

/** The emojis among these texts. What is none would be a message that nobody has to answer for. */
export const emojisIn = (reactions: readonly string[]): string[] => [
  ...new Set(reactions.filter((each) => EMOJI.test(each))),
];
