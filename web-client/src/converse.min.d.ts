/** What this page uses of Converse.js, which the build puts beside it. Its documentation is at conversejs.org/docs. */

/** A model of Converse.js. */
export interface Model {
  get(name: string): unknown;
}

/** A custom element of lit. */
export interface Element extends HTMLElement {
  readonly model: Model;
  render(): unknown;
  scheduleUpdate(): unknown;
}

export interface LoginForm extends Element {
  onLoginFormSubmitted(event: SubmitEvent): Promise<void>;
}

export interface OutgoingMessage {
  readonly stanza: { tree(): globalThis.Element };
}

/** In the menu of a message. */
export interface MessageButton {
  readonly name: string;
}

/** What a plugin sees. */
export interface ConversePrivate {
  readonly VERSION_NAME: string;
  /** Translates. */
  __(text: string): string;
  readonly api: {
    confirm(title: string, question: string): Promise<unknown>;
    readonly elements: {
      readonly registry: Readonly<Record<string, { readonly prototype: Element }>>;
      /** Takes the place of an element that the browser does not know yet. */
      define(name: string, element: CustomElementConstructor): void;
    };
    readonly listen: {
      on(event: string, listener: () => void): void;
      /** A hook: what it returns goes on. */
      on(
        event: 'createMessageStanza',
        listener: (chat: Model, data: OutgoingMessage) => OutgoingMessage,
      ): void;
      on(
        event: 'getMessageActionButtons',
        listener: (actions: Element, buttons: MessageButton[]) => MessageButton[],
      ): void;
    };
    readonly settings: { set(name: string, value: unknown): void };
    readonly user: { logout(): Promise<void> };
    readonly vcard: { update(model: unknown, force?: boolean): Promise<unknown> };
  };
  readonly exports: {
    readonly ControlBox: new (attributes: { readonly id: string }) => object;
    readonly VCard: {
      readonly prototype: {
        initialize(
          attributes: { readonly jid?: string },
          options?: { readonly lazy_load?: boolean },
        ): unknown;
      };
    };
  };
  readonly session: Model;
  readonly state: {
    readonly chatboxes: {
      readonly models: readonly Model[];
      get(id: string): Model | undefined;
      add(box: object): void;
      on(event: string, listener: () => void): void;
    };
    readonly vcards?: { get(jid: string): Model | undefined };
  };
}

export interface Converse {
  readonly plugins: {
    add(
      name: string,
      plugin: {
        readonly dependencies?: readonly string[];
        initialize(this: { readonly _converse: ConversePrivate }): void;
      },
    ): void;
  };
  readonly env: {
    /** Of lit: values become text. */
    html(strings: TemplateStringsArray, ...values: readonly unknown[]): unknown;
  };
  initialize(settings: Readonly<Record<string, unknown>>): Promise<unknown>;
}
declare const converse: Converse;
export default converse;
