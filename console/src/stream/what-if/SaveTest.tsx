/** The branch as a test file. */
import { useState } from 'react';

export function SaveTest({
  stream,
  revision,
  test,
}: {
  readonly stream: string;
  readonly revision: number;
  readonly test: string;
}) {
  const [isShown, setShown] = useState(false);
  const [copied, setCopied] = useState('');
  const name = `${stream.replaceAll(/[^a-z0-9]+/g, '-')}-from-${revision}.test.ts`;

  const download = (): void => {
    const url = URL.createObjectURL(new Blob([test], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    link.click();
    URL.revokeObjectURL(url);
  };
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(test);
      setCopied('It is in the clipboard.');
    } catch {
      setCopied('The browser did not allow it.'); // or has no clipboard for a page without TLS
    }
  };

  return (
    <div className="save-test">
      <button type="button" aria-expanded={isShown} onClick={() => setShown(!isShown)}>
        Save as test
      </button>
      {isShown && (
        <>
          <p className="quiet">
            A test of the project: put it into <code>test/actors</code> and run{' '}
            <code>npx vitest run test/actors</code>. Words of people are replaced in it; ids and
            addresses are not.
          </p>
          <div className="buttons">
            <button type="button" className="primary" onClick={download}>
              Download {name}
            </button>
            <button type="button" onClick={copy}>
              Copy
            </button>
            <span role="status">{copied}</span>
          </div>
          {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms */}
          <pre
            className="test-file"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a long file scrolls, also by keys
            tabIndex={0}
            data-own-keys=""
            aria-label="The test file"
            role="group"
          >
            <bdi>{test}</bdi>
          </pre>
        </>
      )}
    </div>
  );
}
