/** Words that people wrote. React escapes them; bidi characters in them cannot reach what stands beside. */

/** What somebody wrote, and lines as they wrote them. */
export function Said({ text }: { readonly text: string }) {
  return <bdi className="said">{text}</bdi>;
}

/** In the place of personal data whose key is gone. */
export function Erased() {
  return (
    <span className="erased" title="The data key is destroyed: nobody can read this again">
      erased
    </span>
  );
}
