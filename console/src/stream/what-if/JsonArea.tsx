import { useId } from 'react';

/** A field for JSON as text. */
export function JsonArea({
  label,
  text,
  set,
  fault,
  placeholder,
}: {
  readonly label: string;
  readonly text: string;
  readonly set: (text: string) => void;
  readonly fault: string | undefined;
  readonly placeholder?: string;
}) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        className="mono"
        rows={Math.min(10, text.split('\n').length + 1)}
        spellCheck={false}
        value={text}
        placeholder={placeholder}
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-fault`}
        onChange={(event) => set(event.currentTarget.value)}
      />
      <span id={`${id}-fault`} className="fault">
        {fault}
      </span>
    </div>
  );
}
