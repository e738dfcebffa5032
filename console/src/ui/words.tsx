/** Words that people wrote. React escapes them; bidi characters in them cannot reach what stands beside. */
import { partsOf } from '../visible-text.ts';

/** What somebody wrote, and lines as they wrote them. Characters that would hide are signs. */
export function Said({ text }: { readonly text: string }) {
  return (
    <bdi className="said">
      {partsOf(text).map((part, index) =>
        part.isSign ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text do not move
          <span key={index} className="sign" title="A character that is not visible">
            {part.text}
          </span>
        ) : (
          part.text
        ),
      )}
    </bdi>
  );
}

/** In the place of personal data whose key is gone. */
export function Erased() {
  return (
    <span className="erased" title="The data key is destroyed: nobody can read this again">
      erased
    </span>
  );
}
