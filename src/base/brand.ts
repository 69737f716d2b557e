/**
 * Nominal types over primitives: a `Term` is a number that no `Index` can be mistaken for. Costs nothing at run time.
 */
declare const brand: unique symbol;

/** `T`, marked as a `Name`. Made by a cast at the one place that knows. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
