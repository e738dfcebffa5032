/** Keeps a page that fails from taking the whole console with it. */
import { Component, type ReactNode } from 'react';

interface Props {
  /** Of the page: another one is tried anew. */
  readonly place: string;
  readonly children: ReactNode;
}

interface State {
  readonly place: string;
  readonly error: Error | null;
}

/** React has this for classes alone. */
export class Boundary extends Component<Props, State> {
  override state: State = { place: this.props.place, error: null };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static getDerivedStateFromProps({ place }: Props, state: State): State | null {
    return place === state.place ? null : { place, error: null };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <div className="failure" role="alert">
        <p>
          <strong>This page could not be drawn.</strong> <bdi>{error.message}</bdi>
        </p>
        <p>
          If the service was updated since this tab was opened, the page is of an older build: load
          it again. Otherwise it is a defect of the console.
        </p>
        <button type="button" onClick={() => location.reload()}>
          Load again
        </button>
      </div>
    );
  }
}
