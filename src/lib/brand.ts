/** Nominal types over primitives: a `Brand<string, 'Uid'>` is a string that only a parser may make. */

declare const brand: unique symbol

export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
