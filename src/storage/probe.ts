/** What trying something on the real file system told. */
export type Probe =
  | { readonly isUsable: true }
  | { readonly isUsable: false; readonly because: string }

export const usable: Probe = { isUsable: true }
