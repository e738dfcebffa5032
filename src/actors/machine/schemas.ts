/** Schemas of commands and facts, held against their types by the compiler (test/actors/schemas.test.ts). */
import { z } from 'zod';

/** A schema for each command of a union, by its type. */
export type CommandSchemas<C extends { readonly type: string }> = {
  readonly [T in C['type']]: z.ZodType<Extract<C, { readonly type: T }>>;
};

/** The schemas of one fact. */
export interface FactSchema<Data = unknown, Personal = unknown> {
  readonly data: z.ZodType<Data>;
  /** null: it has no personal part. */
  readonly personal: z.ZodType<Personal> | null;
}

/** Schemas for each fact of an actor, by its type. null: the fact holds a whole state, and nobody makes it up. */
export type FactSchemas<Facts, Personal> = {
  readonly [T in keyof Facts]: T extends keyof Personal
    ? FactSchema<Facts[T], Personal[T]> | null
    : (Omit<FactSchema<Facts[T]>, 'personal'> & { readonly personal: null }) | null;
};

/** The schemas of one kind of actor. */
export interface ActorSchemas {
  readonly commands: Readonly<Record<string, z.ZodType<{ readonly type: string }>>>;
  readonly facts: Readonly<Record<string, FactSchema | null>>;
}

/** Schemas of a fact without a personal part. */
export const fact = <Shape extends z.core.$ZodShape>(shape: Shape) => ({
  data: z.strictObject(shape),
  personal: null,
});

/** Schemas of a fact with a personal part. */
export const factWith = <Shape extends z.core.$ZodShape, Personal extends z.core.$ZodShape>(
  shape: Shape,
  personal: Personal,
) => ({ data: z.strictObject(shape), personal: z.strictObject(personal) });

/** Schema of a command. */
export const command = <Type extends string, Shape extends z.core.$ZodShape>(
  type: Type,
  shape: Shape,
) => z.strictObject({ type: z.literal(type), ...shape });

export const text = z.string();
export const flag = z.literal(true);
export const count = z.int().min(0);
/** In ms. */
export const duration = z.number().min(0);
/** In ms since 1970. */
export const time = z.number().min(0);
