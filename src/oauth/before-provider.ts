/**
 * oidc-provider is made for Node 22 and runs on 20, where it says so on every start and where older
 * releases lack one function of URL. Imported before it, for these two effects.
 */

if (!('parse' in URL)) {
  Object.defineProperty(URL, 'parse', {
    value: (text: string, base?: string) => (URL.canParse(text, base) ? new URL(text, base) : null),
  })
}

const { warn } = console
console.warn = (...words: unknown[]) => {
  if (!String(words[0]).includes('Unsupported runtime. Use Node.js v22')) warn(...words)
}

/** For whoever imported this, once oidc-provider is in: from then on warnings are what they were. */
export const restoreWarnings = (): void => {
  console.warn = warn
}
