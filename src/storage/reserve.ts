/** Room that a pool keeps: a branch that cannot write its first page is worse than a refusal. */

/** No draft is begun when less than this is free. */
export const reserveBytes = 64 * 2 ** 20
